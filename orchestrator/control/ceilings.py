"""What every limit allows now: signals, budgets and recoveries, and the life of events."""

from datetime import timedelta

from orchestrator.control.breaches import judge_breach
from orchestrator.control.ramps import on_ramp
from orchestrator.control.state import State
from orchestrator.domain.events import Shortfall
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.moment import Moment
from orchestrator.domain.timeline import (
    Bound,
    Ceiling,
    bounds_at,
    budget_ceilings,
    in_force,
    next_change,
    signal_ceilings,
)
from orchestrator.messages import Effect, StoreEvent, StoreShortfall

HORIZON = timedelta(hours=24)


def ceilings(state: State, now: Moment, stored_only: bool = False) -> list[Ceiling]:
    """All ceilings of today, in force or not."""
    signals = [
        signal
        for key, signal in state.signals.items()
        if not (stored_only and key in state.unstored)
    ]
    return [
        *signal_ceilings(state.topology, signals, state.policy, state.events.baselines_w()),
        *budget_ceilings(state.budgets, now.utc, now.utc + HORIZON),
        *state.events.recovery_ceilings(),
    ]


def advance(state: State, now: Moment) -> list[Effect]:
    """Start and end events, drop what is over, and set the bounds in force and the ramps."""
    changed = state.events.start_due(
        state.signals.values(),
        now.utc,
        lambda limit_id: state.mean_metered_w(
            limit_id, now.monotonic_s, state.settings.baseline_window_s
        ),
    )
    standing = in_force(ceilings(state, now), now.utc)
    if state.unstored:
        standing += in_force(ceilings(state, now, stored_only=True), now.utc)
    changed += state.events.end_due(standing, state.signals, now.utc)
    _drop_ended(state, now)
    everything = ceilings(state, now)
    state.asked = bounds_at(state.topology, everything, now.utc)
    if state.unstored:
        state.asked = _strictest(
            state.asked, bounds_at(state.topology, ceilings(state, now, True), now.utc)
        )
    deadlines_s = _deadlines_s(state)
    state.bounds = on_ramp(state, deadlines_s, now)
    state.next_change_at = next_change(everything, now.utc)
    state.ramps.update(
        {limit_id: bound.limit_w for limit_id, bound in state.asked.items()},
        deadlines_s,
        now.monotonic_s,
    )
    return [StoreEvent(record) for record in changed if record.key not in state.unstored]


def judge(state: State, now: Moment) -> list[Effect]:
    """Record what exceeds a limit after its ramp, by the exposures and by the meters; breaches."""
    charged_w = {node.id: state.charged_w(node, now.monotonic_s) for node in state.topology.nodes}
    draws_w = draws_under_w(state.topology, charged_w)
    found: list[Effect] = []
    for limit_id, bound in state.asked.items():
        allowed_w = state.ramps.allowed_w(limit_id, bound.limit_w, now.monotonic_s)
        exposed_w = draws_w[limit_id] + state.topology.uncontrolled_under_w[limit_id]
        record = state.exposure_watch.update(limit_id, exposed_w, allowed_w, bound.reason, now)
        measured = _judge_meter(state, bound, allowed_w, now)
        found += [StoreShortfall(entry) for entry in (record, measured) if entry is not None]
        found += judge_breach(state, bound, allowed_w, exposed_w, now)
    return found


def _judge_meter(state: State, bound: Bound, allowed_w: float, now: Moment) -> Shortfall | None:
    metered_w = state.metered_w(bound.limit_id, now.monotonic_s)
    if metered_w is None:
        return state.meter_watch.close(bound.limit_id, now)
    return state.meter_watch.update(bound.limit_id, metered_w, allowed_w, bound.reason, now)


def _strictest(one: dict[str, Bound], other: dict[str, Bound]) -> dict[str, Bound]:
    return {
        limit_id: min(bound, other[limit_id], key=lambda b: b.limit_w)
        for limit_id, bound in one.items()
    }


def _drop_ended(state: State, now: Moment) -> None:
    over = [
        key
        for key, signal in state.signals.items()
        if signal.ends_at is not None and signal.ends_at <= now.utc
    ]
    for key in over:
        del state.signals[key]
        state.unstored.discard(key)


def _deadlines_s(state: State) -> dict[str, float]:
    found: dict[str, float] = {}
    for limit_id, bound in state.asked.items():
        signal = state.signals.get(bound.key) if bound.key else None
        if signal is not None:
            found[limit_id] = signal.deadline_s
    return found
