"""Moves the nodes towards the decision: what to send now, to whom, and in which order."""

from orchestrator.control.state import NodeState, State
from orchestrator.domain.budget import available_w
from orchestrator.domain.exposure import Hold, with_hold, without_hold
from orchestrator.domain.moment import Moment
from orchestrator.domain.rollout import EPSILON_W, Move, Standing, decreases, raises
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.messages import (
    CommitGrants,
    Effect,
    GrantCommitted,
    LowerLedger,
    SendSetpoint,
)
from orchestrator.ports import Grant

MOVABLE = ("following", "fail-safe")


def steer(state: State, now: Moment) -> list[Effect]:
    """Decreases first, then renewals of leases, then the raises that the ledger must hold first."""
    standings = _standings(state, now)
    down = decreases(standings)
    moved = {move.node for move in down}
    due = [
        Move(name, standings[name].present_w, "renewal")
        for name in sorted(standings.keys() - moved)
        if not state.superseded and _renewal_due(state, state.nodes[name], now)
    ]
    sends = [_send(state, move, now) for move in (*down, *due)]
    return [*sends, *_grant(state, standings, moved, now)]


def send_granted(state: State, committed: GrantCommitted, now: Moment) -> list[Effect]:
    """Send a raise that the ledger holds, unless the node changed in the meantime."""
    node = state.nodes.get(committed.node)
    if node is None or node.pending is None or node.pending.fence != committed.fence:
        return []
    grant, node.pending = node.pending, None
    hold = next((h for h in node.exposure.holds if h.fence == grant.fence), None)
    telemetry = node.telemetry
    if hold is None or telemetry is None or hold.incarnation != telemetry.incarnation:
        node.exposure = without_hold(node.exposure, grant.fence)
        return []
    return [_publish(state, Move(grant.node, grant.limit_w, "raise"), grant.fence, now)]


def lower_ledger(state: State) -> list[Effect]:
    """Tell the ledger what evidence has freed, so that a restart does not charge it again."""
    held_w: dict[str, float] = {}
    for topology_node in state.topology.nodes:
        node = state.nodes[topology_node.id]
        proven_w = node.exposure.limit_w(topology_node)
        known = node.exposure.evidenced_w is not None
        stale = node.ledger_w is None or proven_w < node.ledger_w - EPSILON_W
        if known and stale and node.pending is None:
            node.ledger_w = proven_w
            held_w[topology_node.id] = proven_w
    return [LowerLedger(held_w)] if held_w else []


def present_w(state: State, node: NodeState, now_s: float) -> float | None:
    """The sum of card limits that a node holds now, as far as it follows us; None: unknown."""
    telemetry, sent = node.telemetry, node.sent
    if telemetry is None:
        return None
    if sent is not None and sent.incarnation == telemetry.incarnation:
        waiting = telemetry.fence < sent.fence
        if waiting and now_s - node.sent_s <= 2 * state.settings.resend_after_s:
            return sent.limit_w
        if not waiting and telemetry.lease == "held":
            return sent.limit_w
    if telemetry.lease == "held" and telemetry.limit_w is not None:
        return telemetry.limit_w
    return telemetry.enforced_w


def _standings(state: State, now: Moment) -> dict[str, Standing]:
    if state.decision is None:
        return {}
    wanted_w = {target.node: target.limit_w for target in state.decision.outcome.targets}
    found = {}
    for node in state.topology.nodes:
        if not state.is_armed(node) or state.status(node, now.monotonic_s) not in MOVABLE:
            continue
        present = present_w(state, state.nodes[node.id], now.monotonic_s)
        if present is None:
            continue
        charged_w = state.charged_w(node, now.monotonic_s)
        found[node.id] = Standing(present, charged_w, wanted_w[node.id])
    return found


def _renewal_due(state: State, node: NodeState, now: Moment) -> bool:
    if node.pending is not None:
        return False
    if node.sent is None or node.telemetry is None:
        return True
    age_s = now.monotonic_s - node.sent_s
    lost = node.telemetry.fence < node.sent.fence and age_s > state.settings.resend_after_s
    return lost or age_s >= state.settings.ttl_s / 3


def _grant(
    state: State, standings: dict[str, Standing], moved: set[str], now: Moment
) -> list[Effect]:
    if state.superseded or now.monotonic_s < state.raises_from_s:
        return []
    waiting = {
        name: standing
        for name, standing in standings.items()
        if name not in moved and state.nodes[name].pending is None
    }
    charged_w = {node.id: state.charged_w(node, now.monotonic_s) for node in state.topology.nodes}
    rooms_w = available_w(
        state.topology, {limit_id: bound.limit_w for limit_id, bound in state.bounds.items()}
    )
    moves = raises(state.topology, rooms_w, charged_w, waiting)
    grants = tuple(_pend(state, move) for move in moves)
    return [CommitGrants(grants)] if grants else []


def _pend(state: State, move: Move) -> Grant:
    node = state.nodes[move.node]
    grant = Grant(move.node, move.limit_w, state.next_fence())
    incarnation = node.telemetry.incarnation if node.telemetry else None
    node.exposure = with_hold(node.exposure, Hold(grant.fence, grant.limit_w, incarnation))
    node.pending = grant
    node.ledger_w = max(node.ledger_w or 0.0, grant.limit_w)
    return grant


def _send(state: State, move: Move, now: Moment) -> Effect:
    node = state.nodes[move.node]
    if node.pending is not None:
        node.exposure = without_hold(node.exposure, node.pending.fence)
        node.pending = None
    fence = state.next_fence()
    incarnation = node.telemetry.incarnation if node.telemetry else None
    node.exposure = with_hold(node.exposure, Hold(fence, move.limit_w, incarnation))
    return _publish(state, move, fence, now)


def _publish(state: State, move: Move, fence: Fence, now: Moment) -> Effect:
    node = state.nodes[move.node]
    if node.telemetry is None:
        raise ValueError(f"{move.node} has never reported; nothing can be addressed to it")
    setpoint = Setpoint(
        node=move.node,
        limit_w=move.limit_w,
        target_tok_s=None,
        ttl_s=state.settings.ttl_s,
        fence=fence,
        incarnation=node.telemetry.incarnation,
        stamp_s=node.telemetry.stamp_s,
        decision_id=state.decision.id if state.decision else "",
    )
    node.sent, node.sent_s = setpoint, now.monotonic_s
    return SendSetpoint(setpoint, move.kind)
