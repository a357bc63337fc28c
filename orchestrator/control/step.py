"""The control step: inputs and time in, an ordered list of effects out.

The same code runs live, in replay and in simulation. Decreases come first among the effects and
depend on nothing; a raise is written to the ledger by one step and sent by a later one, after
the ledger has answered.
"""

from collections.abc import Sequence

from orchestrator.control import releases
from orchestrator.control.breaches import escalated_caps_w
from orchestrator.control.ceilings import advance, judge
from orchestrator.control.intake import absorb
from orchestrator.control.shedding import canary
from orchestrator.control.silence import silence
from orchestrator.control.state import State
from orchestrator.control.steering import MOVABLE, lower_ledger, send_granted, steer
from orchestrator.control.trimming import trim_limits, trims_w
from orchestrator.domain.calibration import quoted
from orchestrator.domain.decision import (
    Decision,
    DecisionInputs,
    FixedNode,
    Outcome,
    decide,
)
from orchestrator.domain.moment import Moment
from orchestrator.domain.silence import costs_more
from orchestrator.domain.topology import Node
from orchestrator.messages import Effect, GrantCommitted, Input, StoreDecision

OFFERS_MOVED = "the load that nodes are offered has moved"
SILENCE_MOVED = "what falling silent would cost has changed"
BIAS_MOVED = "what nodes are off their models by has moved"
CUT_ONLY_MOVED = "which nodes may only be cut, or what they hold, has changed"
MINOR = (OFFERS_MOVED, BIAS_MOVED, CUT_ONLY_MOVED)
FIXED_REASONS = {
    "locked": "locked out: charged at nameplate",
    "unknown": "never heard of: charged at nameplate",
    "silent": "silent: charged at the most it may still hold",
    "shadow": "not armed: charged at nameplate",
    "foreign": "somebody else raised a cap: charged at nameplate",
    "overdrawn": "its cards enforce more than was asked: charged at that",
}


def step(state: State, inputs: Sequence[Input], now: Moment) -> list[Effect]:
    """Advance the state to now; returns the effects in the order they must be carried out."""
    records: list[Effect] = []
    for item in inputs:
        records += absorb(state, item, now)
        releases.hear(state, item, now)
    records += advance(state, now)
    trim_limits(state, now)
    judged = judge(state, now)
    decision = _decide_if_due(state, now)
    sends = steer(state, now)
    for item in inputs:
        if isinstance(item, GrantCommitted):
            sends += send_granted(state, item, now)
    sends += releases.proceed(state, now)
    if decision is not None:
        records.append(StoreDecision(decision))
    sends += canary(state, now)
    return [*sends, *records, *judged, *lower_ledger(state)]


def decision_inputs(state: State, now: Moment) -> DecisionInputs:
    """What a decision taken now depends on."""
    shadow = not state.armed
    fixed = {}
    for node in state.topology.nodes:
        reason = _fixed_reason(state, node, now.monotonic_s, shadow)
        if reason is not None:
            fixed[node.id] = FixedNode(state.charged_w(node, now.monotonic_s), reason)
    cut_only = {}
    for node in state.topology.nodes:
        reason = state.cut_only(node)
        if reason is not None and node.id not in fixed:
            cut_only[node.id] = FixedNode(state.charged_w(node, now.monotonic_s), reason)
    offered_tok_s = {
        node.id: offer.quoted_tok_s
        for node in state.topology.nodes
        if node.id not in fixed
        and (offer := state.nodes[node.id].offer) is not None
        and offer.quoted_tok_s is not None
    }
    learned = {name: node.learning for name, node in state.nodes.items() if name not in fixed}
    return DecisionInputs(
        state.topology,
        state.bounds,
        fixed,
        state.frontiers,
        shadow,
        offered_tok_s,
        quoted(learned),
        silence(state, now.monotonic_s),
        cut_only,
        escalated_caps_w(state),
        trims_w(state),
    )


def _fixed_reason(state: State, node: Node, now_s: float, shadow: bool) -> str | None:
    status = state.status(node, now_s)
    if shadow and status == "shadow":
        return None
    if state.nodes[node.id].overdrawn and status in MOVABLE:
        return FIXED_REASONS["overdrawn"]
    return FIXED_REASONS.get(status)


def _decide_if_due(state: State, now: Moment) -> Decision | None:
    inputs = decision_inputs(state, now)
    cause = _cause(state, inputs)
    if cause is None or not _due(state, inputs, now):
        return None
    state.considered, state.decided_s = inputs, now.monotonic_s
    outcome = decide(inputs)
    if cause in MINOR and state.decision and _alike(state, state.decision.outcome, outcome):
        return None
    state.decisions += 1
    state.decision = Decision(
        id=f"{state.epoch}-{state.decisions:06d}",
        decided_at=now.utc,
        cause=cause,
        inputs=inputs,
        outcome=outcome,
    )
    return state.decision


def _alike(state: State, before: Outcome, after: Outcome) -> bool:
    """Whether no node's target moves by more than a fiftieth of its nameplate."""
    return all(
        abs(new.limit_w - old.limit_w) <= 0.02 * state.topology.node_by_id[new.node].nameplate_w
        for old, new in zip(before.targets, after.targets, strict=True)
    )


def _cause(state: State, inputs: DecisionInputs) -> str | None:
    """What made a new decision necessary, in words; None when nothing changed."""
    before = state.considered
    if before is None:
        return "first decision"
    for limit_id, bound in inputs.bounds.items():
        if bound != before.bounds[limit_id]:
            return f"{limit_id}: {bound.limit_w / 1e3:.1f} kW, {bound.reason}"
    return _node_cause(before, inputs) or _minor_cause(before, inputs)


def _node_cause(before: DecisionInputs, inputs: DecisionInputs) -> str | None:
    if inputs.most_w != before.most_w:
        cut = len(inputs.most_w.keys() - before.most_w.keys())
        return f"breach escalated: {cut} nodes to fail-safe" if cut else "a breach is over"
    for node in sorted(inputs.fixed.keys() | before.fixed.keys()):
        if inputs.fixed.get(node) != before.fixed.get(node):
            now_fixed = inputs.fixed.get(node)
            return f"{node}: {now_fixed.reason if now_fixed else 'back, free to move'}"
    if inputs.frontiers != before.frontiers:
        return "new power-performance models"
    if inputs.shadow != before.shadow:
        return "disarmed" if inputs.shadow else "armed"
    return None


def _minor_cause(before: DecisionInputs, inputs: DecisionInputs) -> str | None:
    """What is mostly worth a new decision only if it moves a node."""
    if inputs.silence != before.silence:
        return SILENCE_MOVED
    if inputs.cut_only != before.cut_only:
        return CUT_ONLY_MOVED
    if inputs.biases != before.biases:
        return BIAS_MOVED
    return OFFERS_MOVED if inputs.offered_tok_s != before.offered_tok_s else None


def _due(state: State, inputs: DecisionInputs, now: Moment) -> bool:
    """Cuts are due at once; the first decision waits for the fleet to report, the rest for pace."""
    if state.considered is None:
        heard = all(node.telemetry is not None for node in state.nodes.values())
        return heard or now.monotonic_s >= state.started_s + 2 * state.settings.stale_s
    if _is_cut(state.considered, inputs):
        return True
    return now.monotonic_s - state.decided_s >= state.settings.decide_every_s


def _is_cut(before: DecisionInputs, after: DecisionInputs) -> bool:
    lower = any(
        bound.limit_w < before.bounds[limit_id].limit_w for limit_id, bound in after.bounds.items()
    )
    grown = any(
        fixed.limit_w > (before.fixed[node].limit_w if node in before.fixed else 0.0)
        for node, fixed in after.fixed.items()
    )
    escalated = any(
        most_w < before.most_w.get(node, float("inf")) for node, most_w in after.most_w.items()
    )
    trimmed = any(
        trim_w > before.trims_w.get(limit_id, 0.0) for limit_id, trim_w in after.trims_w.items()
    )
    reserved = costs_more(before.silence, after.silence)
    return lower or grown or escalated or trimmed or reserved
