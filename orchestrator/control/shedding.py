"""The fast path: when one broadcast lowers the whole site, how deep, and until when it is repeated.

A broadcast frees nothing: what it lowered is free when it is read back, as with any setpoint.
"""

from collections.abc import Mapping, Sequence

from orchestrator.control.state import NodeState, State
from orchestrator.control.trimming import rooms_w
from orchestrator.domain.moment import Moment
from orchestrator.domain.rollout import Move, MoveKind, Standing
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.shed_table import shallowest
from orchestrator.domain.topology import Node
from orchestrator.messages import Effect, SendShed

CANARY_EVERY_S = 10.0
LEAST_CUT = 0.1
FOLLOWING = ("following", "fail-safe")


def shed(
    state: State, standings: Mapping[str, Standing], cuts: Sequence[Move], now: Moment
) -> list[Effect]:
    """The broadcast that goes before the setpoints of this step, if one is due.

    New for every emergency of the whole site, and for a decision that cuts more than half of the
    armed nodes, by together at least a tenth of what they hold; small corrections, and one rack's
    emergency, travel as setpoints alone.
    Repeated until every armed node that is heard shows it, at most for one ttl: by then every
    lease from before it has ended or was replaced.
    """
    if state.decision is None or not any(map(state.is_armed, state.topology.nodes)):
        return []
    if _fresh_emergency(state, now) or _deep_cut(state, standings, cuts):
        level = _level(state, standings, now.monotonic_s)
        table = state.broadcasts.table(state.topology)
        return [
            SendShed(
                state.broadcasts.begin(
                    state.epoch, level, table.hash, state.decision.id, now.monotonic_s
                )
            )
        ]
    return _repeated(state, now.monotonic_s)


def canary(state: State, now: Moment) -> list[Effect]:
    """A broadcast that moves nothing, every CANARY_EVERY_S: its echo proves a node's path."""
    sent = state.broadcasts
    if state.superseded or now.monotonic_s - sent.canary_s < CANARY_EVERY_S:
        return []
    return [SendShed(sent.canary(state.epoch, sent.table(state.topology).hash, now.monotonic_s))]


def sheddable(state: State, node: Node, now_s: float) -> bool:
    """Whether the node follows and has echoed one of the last canaries."""
    telemetry, canaries = state.nodes[node.id].telemetry, state.broadcasts.canaries
    if telemetry is None or telemetry.canary is None or not canaries:
        return False
    return telemetry.canary >= canaries[0] and state.status(node, now_s) in FOLLOWING


def released_by(state: State, node: NodeState, *, decided: bool, kind: MoveKind) -> Fence | None:
    """The shed that a setpoint to the node ends: the newest that either side knows of.

    A renewal only ends what the node shows: its limit is then what the shed left, so that a node
    that is not cut itself does not rise before the others are seen to have fallen.

    decided: whether the setpoint carries a target of the decision in force, which is no older
    than any shed. None also for an agent that has shown nothing of the fast path: it may be of
    a version that would not understand.
    """
    telemetry, last = node.telemetry, state.broadcasts.shed
    if telemetry is None or not decided:
        return None
    if telemetry.shed is None and telemetry.canary is None and telemetry.shed_table is None:
        return None
    own = last.fence if last is not None and kind != "renewal" else None
    return max((fence for fence in (telemetry.shed, own) if fence), default=None)


def _fresh_emergency(state: State, now: Moment) -> bool:
    before, root = state.broadcasts.emergencies, state.topology.root.id
    state.broadcasts.emergencies = frozenset(
        key
        for key, signal in state.signals.items()
        if signal.kind == "emergency" and signal.limit_id in (None, root)
        if signal.active_at(now.utc)
    )
    return not state.broadcasts.emergencies <= before


def _deep_cut(state: State, standings: Mapping[str, Standing], cuts: Sequence[Move]) -> bool:
    """One shed answers a decision; what it did not reach hears it again, and its setpoints."""
    last, decision = state.broadcasts.shed, state.decision
    if not cuts or (last is not None and decision is not None and last.decision_id == decision.id):
        return False
    armed = sum(map(state.is_armed, state.topology.nodes))
    cut_w = sum(standings[move.node].present_w - move.limit_w for move in cuts)
    held_w = sum(standing.present_w for standing in standings.values())
    return 2 * len(cuts) > armed and cut_w >= LEAST_CUT * held_w


def _level(state: State, standings: Mapping[str, Standing], now_s: float) -> int:
    """The shallowest level that keeps every limit; who cannot be shed gets there by setpoint."""
    follow = frozenset(n.id for n in state.topology.nodes if sheddable(state, n, now_s))
    held_w = {node.id: state.charged_w(node, now_s) for node in state.topology.nodes}
    for name in standings.keys() - follow:
        held_w[name] = min(held_w[name], standings[name].wanted_w)
    table = state.broadcasts.table(state.topology)
    return shallowest(state.topology, table, rooms_w(state), held_w, follow)


def _repeated(state: State, now_s: float) -> list[Effect]:
    sent = state.broadcasts
    if sent.shed is None or now_s - sent.sent_s < state.settings.resend_after_s:
        return []
    if now_s - sent.begun_s > state.settings.ttl_s or _shown(state, sent.shed.fence, now_s):
        return []
    sent.sent_s = now_s
    return [SendShed(sent.shed)]


def _shown(state: State, fence: Fence, now_s: float) -> bool:
    for node in state.topology.nodes:
        telemetry = state.nodes[node.id].telemetry
        if telemetry is None or state.status(node, now_s) not in FOLLOWING:
            continue
        if telemetry.shed is None or telemetry.shed < fence:
            return False
    return True
