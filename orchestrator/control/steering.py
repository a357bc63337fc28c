"""Moves the nodes towards the decision: what to send now, to whom, and in which order."""

from collections.abc import Mapping

from orchestrator.control.ramps import has_its_turn
from orchestrator.control.shedding import released_by, shed
from orchestrator.control.silence import silence
from orchestrator.control.state import NodeState, State
from orchestrator.control.trimming import rooms_w
from orchestrator.domain.exposure import Hold, with_hold, with_sent
from orchestrator.domain.moment import Moment
from orchestrator.domain.rollout import EPSILON_W, Move, Standing, decreases, raises
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.topology import Node
from orchestrator.messages import (
    CommitGrants,
    Effect,
    GrantCommitted,
    LowerLedger,
    SendSetpoint,
)
from orchestrator.ports import Grant

MOVABLE = ("following", "fail-safe")
PATIENCE = 3


def steer(state: State, now: Moment) -> list[Effect]:
    """The broadcast first, then decreases, renewals, and the raises that the ledger must hold."""
    wanted_w = _wanted_w(state, now.monotonic_s)
    _withdraw_overtaken(state, wanted_w)
    standings = _standings(state, wanted_w, now.monotonic_s)
    down = decreases(standings)
    sheds = shed(state, standings, down, now)
    moved = {move.node for move in down}
    due = [
        Move(name, standings[name].present_w, "renewal")
        for name in sorted(standings.keys() - moved)
        if not state.superseded and _renewal_due(state, state.nodes[name], now.monotonic_s)
    ]
    sends = [_send(state, move, now) for move in (*down, *due)]
    return [*sheds, *sends, *_grant(state, standings, moved, now)]


def send_granted(state: State, committed: GrantCommitted, now: Moment) -> list[Effect]:
    """Send a raise that the ledger holds, unless it was withdrawn in the meantime."""
    node = state.nodes.get(committed.node)
    if node is None or node.pending is None or node.pending.fence != committed.fence:
        return []
    grant = node.pending
    node.withdraw()
    return [_publish(state, Move(grant.node, grant.limit_w, "raise"), grant.fence, now)]


def lower_ledger(state: State) -> list[Effect]:
    """Tell the ledger what evidence has freed, so that a restart does not charge it again.

    A superseded leader does not know what others have sent since.
    """
    if state.superseded:
        return []
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
    if telemetry.lease == "held" and telemetry.limit_w is not None:
        return telemetry.limit_w
    return telemetry.enforced_w


def _wanted_w(state: State, now_s: float) -> dict[str, float | None]:
    """The decision's target for every node that can be moved.

    None: it was not free when the decision was taken, and stays where it is until the next.
    """
    if state.decision is None:
        return {}
    fixed = state.decision.inputs.fixed
    targets_w = {target.node: target.limit_w for target in state.decision.outcome.targets}
    return {
        node.id: None if node.id in fixed else _may_want_w(state, node, targets_w[node.id], now_s)
        for node in state.topology.nodes
        if state.status(node, now_s) in MOVABLE
    }


def _may_want_w(state: State, node: Node, target_w: float, now_s: float) -> float:
    """The target, and no more than it holds for a node that is never raised."""
    if state.cut_only(node) is None:
        return target_w
    held_w = present_w(state, state.nodes[node.id], now_s)
    return target_w if held_w is None else min(target_w, held_w)


def _decided(state: State, name: str) -> bool:
    """Whether the decision in force has a target for the node."""
    return state.decision is not None and name not in state.decision.inputs.fixed


def _withdraw_overtaken(state: State, wanted_w: Mapping[str, float | None]) -> None:
    """Drop raises that wait for the ledger and that nobody wants, or may send, any more."""
    for name, node in state.nodes.items():
        grant, telemetry = node.pending, node.telemetry
        if grant is None:
            continue
        wanted = wanted_w.get(name)
        hold = next((h for h in node.exposure.holds if h.fence == grant.fence), None)
        same = hold and telemetry and hold.incarnation == telemetry.incarnation
        unwanted = wanted is None or wanted < grant.limit_w - EPSILON_W
        if state.superseded or not same or unwanted:
            node.withdraw()


def _standings(
    state: State, wanted_w: Mapping[str, float | None], now_s: float
) -> dict[str, Standing]:
    """A node of which nothing is known may only be cut."""
    found = {}
    for name, target_w in wanted_w.items():
        node, topology_node = state.nodes[name], state.topology.node_by_id[name]
        present = present_w(state, node, now_s)
        charged_w = node.exposure.limit_w(topology_node)
        if present is not None:
            found[name] = Standing(present, present if target_w is None else target_w)
        elif target_w is not None and target_w < charged_w:
            found[name] = Standing(charged_w, target_w)
    return found


def _renewal_due(state: State, node: NodeState, now_s: float) -> bool:
    if node.sent is None or node.telemetry is None:
        return True
    age_s = now_s - node.sent_s
    if age_s >= state.settings.ttl_s / 3:
        return True
    # Ever slower: on a path that is only slow, what is sent again is what keeps it slow.
    patience_s = state.settings.resend_after_s * 2.0 ** min(node.unheard - 1, PATIENCE)
    lost = node.telemetry.fence < node.sent.fence and age_s > patience_s
    return lost and node.pending is None


def _grant(
    state: State, standings: Mapping[str, Standing], moved: set[str], now: Moment
) -> list[Effect]:
    if state.superseded or now.monotonic_s < state.raises_from_s:
        return []
    waiting = {
        name: standing
        for name, standing in standings.items()
        if name not in moved
        and state.nodes[name].pending is None
        and has_its_turn(state, name, now.monotonic_s)
    }
    charged_w = {node.id: state.charged_w(node, now.monotonic_s) for node in state.topology.nodes}
    kept = silence(state, now.monotonic_s)
    moves = raises(state.topology, rooms_w(state), charged_w, waiting, silence=kept)
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
    state.nodes[move.node].withdraw()
    return _publish(state, move, state.next_fence(), now)


def _publish(state: State, move: Move, fence: Fence, now: Moment) -> Effect:
    node = state.nodes[move.node]
    if node.telemetry is None:
        raise ValueError(f"{move.node} has never reported; nothing can be addressed to it")
    setpoint = Setpoint(
        node=move.node,
        limit_w=move.limit_w,
        target_tok_s=state.topology.node_by_id[move.node].target_tok_s,
        ttl_s=state.settings.ttl_s,
        fence=fence,
        incarnation=node.telemetry.incarnation,
        stamp_s=node.telemetry.stamp_s,
        decision_id=state.decision.id if state.decision else "",
        releases_shed=released_by(state, node, decided=_decided(state, move.node), kind=move.kind),
    )
    node.exposure = with_sent(node.exposure, Hold(fence, setpoint.limit_w, setpoint.incarnation))
    heard = node.sent is None or node.telemetry.fence >= node.sent.fence
    node.unheard = 1 if heard else node.unheard + 1
    node.sent, node.sent_s = setpoint, now.monotonic_s
    return SendSetpoint(setpoint, move.kind)
