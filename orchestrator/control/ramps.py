"""Puts the facility's ceiling on its ramp, and gives every node its moment of a climb."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from orchestrator.control.state import State
from orchestrator.domain.compliance import DEFAULT_DEADLINE_S
from orchestrator.domain.moment import Moment
from orchestrator.domain.ramping import follow, phase
from orchestrator.domain.timeline import Bound, in_force, signal_ceilings

SUDDEN = ("emergency", "alarm")
SPREAD = 0.8
"""Of the time between two decisions: what the last node gets is sent before the next one."""


def on_ramp(state: State, deadlines_s: Mapping[str, float], now: Moment) -> dict[str, Bound]:
    """The bounds in force: as asked, but for the facility's, which may be on its way there."""
    asked = state.asked[state.topology.root.id]
    state.site_ceiling = follow(
        state.site_ceiling,
        asked.limit_w,
        now.monotonic_s,
        state.settings.ramp,
        deadline_s=deadlines_s.get(asked.limit_id, DEFAULT_DEADLINE_S),
        sudden_w=_sudden_w(state, now),
    )
    level_w = state.site_ceiling.level_w
    if level_w == asked.limit_w:
        return dict(state.asked)
    words = f"{asked.reason}; on the way to {asked.limit_w / 1e3:.1f} kW"
    return {**state.asked, asked.limit_id: replace(asked, limit_w=level_w, reason=words)}


def _sudden_w(state: State, now: Moment) -> float:
    """The lowest that emergencies and alarms ask of the whole facility now."""
    sudden = [signal for signal in state.signals.values() if signal.kind in SUDDEN]
    asked = in_force(signal_ceilings(state.topology, sudden, state.policy, {}), now.utc)
    root = state.topology.root.id
    return min((ceiling.limit_w for ceiling in asked if ceiling.limit_id == root), default=inf)


def has_its_turn(state: State, node: str, now_s: float) -> bool:
    """Whether a node may be raised now: on a climb, not all of them at once."""
    ceiling = state.site_ceiling
    if state.settings.ramp.up_w_per_s is None or ceiling is None or not ceiling.climbing:
        return True
    wait_s = phase(node) * state.settings.decide_every_s * SPREAD
    return now_s >= state.decided_s + wait_s
