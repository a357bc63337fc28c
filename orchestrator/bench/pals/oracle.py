"""The clairvoyant oracle: for every stretch it tries every point on a copy of the plant itself.

It knows the plant and the requests to come; it obeys the same budget and objectives, and it keeps
one point through a stretch. What it cannot do either cannot be held against a policy.
"""

from collections.abc import Sequence
from dataclasses import replace

from integrations.twin.node import SimNode
from orchestrator.bench.pals.judge import Verdict, judge
from orchestrator.bench.plant.knobs import Knobs, Wall
from orchestrator.bench.plant.node_run import LATENCY_S, STRIDE_S, Run, stride
from orchestrator.bench.plant.objectives import Objectives
from orchestrator.bench.plant.schedule import WARM_UP_S, Schedule, Stretch

FORGIVEN = 0.12
"""Shares of windows in violation up to this count as none: one window in a stretch of 90 s."""


def clairvoyant(
    node: SimNode, schedule: Schedule, grid: Sequence[Knobs], objectives: Objectives, wall: Wall
) -> tuple[Run, tuple[Knobs, ...]]:
    """The best run that the grid allows, and what was chosen for each stretch."""
    node.advance(WARM_UP_S)
    whole = Run(schedule, logs=[node.latency()])
    chosen = []
    for stretch, start_s, end_s in schedule.spans():
        cards = len(node.read_cards())
        open_ = _open(grid, wall.cards_w(stretch.budget_w) / cards)
        tries = [_try(node, knobs, stretch, end_s - start_s, start_s) for knobs in open_]
        verdicts = [judge(part, objectives) for part, _ in tries]
        best = min(range(len(tries)), key=lambda index: _rank(verdicts[index]))
        part, node = tries[best]
        chosen.append(open_[best])
        _append(whole, part)
    return whole, tuple(chosen)


def _open(grid: Sequence[Knobs], most_w: float) -> list[Knobs]:
    """Points under the budget; a cap above it is lowered to it."""
    lowered = {replace(knobs, cap_w=most_w) if knobs.cap_w > most_w else knobs for knobs in grid}
    lowest = min(knobs.cap_w for knobs in grid)
    found = [knobs for knobs in lowered if knobs.cap_w >= lowest]
    return sorted(
        found or [knobs for knobs in grid if knobs.cap_w == lowest],
        key=lambda knobs: (knobs.cap_w, knobs.batch, knobs.clock_mhz or 0.0),
    )


def _try(
    node: SimNode, knobs: Knobs, stretch: Stretch, seconds: float, start_s: float
) -> tuple[Run, SimNode]:
    copy = node.clone()
    copy.set_cap_w(knobs.cap_w)
    copy.set_clock_mhz(knobs.clock_mhz)
    copy.set_batch_limit(knobs.batch)
    part = Run(Schedule((replace(stretch, start_s=0.0),), seconds), logs=[copy.latency()])
    for index in range(round(seconds / STRIDE_S)):
        stride(part, copy, WARM_UP_S + start_s + (index + 1) * STRIDE_S)
        if (index + 1) * STRIDE_S % LATENCY_S == 0.0:
            part.logs.append(copy.latency())
    return part, copy


def _rank(verdict: Verdict) -> tuple[float, float]:
    """Violations first, then tokens per joule."""
    violations = verdict.violations
    return (violations if violations > FORGIVEN else 0.0, -verdict.tok_j)


def _append(whole: Run, part: Run) -> None:
    whole.tokens += part.tokens
    whole.wall_j += part.wall_j
    whole.waiting += part.waiting
    whole.logs += part.logs[1:]
