"""Judges every limit for breaches, and what an escalated breach asks of the nodes below it."""

from orchestrator.control.state import State
from orchestrator.domain.breach import Evidence
from orchestrator.domain.moment import Moment
from orchestrator.domain.timeline import Bound
from orchestrator.messages import Effect, StoreBreach


def judge_breach(
    state: State, bound: Bound, allowed_w: float, exposed_w: float, now: Moment
) -> list[Effect]:
    """Take what is known of one limit. Exposures count where setpoints may be sent at all."""
    nodes = state.topology.nodes_under[bound.limit_id]
    armed = bool(state.armed) and any(state.is_armed(node) for node in nodes)
    evidence = Evidence(
        limit_id=bound.limit_id,
        allowed_w=allowed_w,
        exposed_w=exposed_w if armed else None,
        metered_w=state.metered_w(bound.limit_id, now.monotonic_s),
        cause=bound.reason,
    )
    record = state.breaches.update(evidence, now)
    return [] if record is None else [StoreBreach(record)]


def escalated_caps_w(state: State) -> dict[str, float]:
    """Fail-safe caps for the nodes below limits whose breach is escalated, watts by node."""
    return {
        node.id: node.fail_safe_w
        for limit_id in state.breaches.escalated()
        if limit_id in state.topology.limit_by_id
        for node in state.topology.nodes_under[limit_id]
    }
