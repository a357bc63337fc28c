"""How good a run was: tokens per joule at the wall, and the quality of service it kept."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from orchestrator.bench.plant.node_run import LATENCY_S, PERIOD_S, Run
from orchestrator.bench.plant.objectives import TOLERANCE, Objectives

WINDOW_S = 10.0
QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class Verdict:
    """tok_j: output tokens per joule at the wall. short, late_itl, late_ttft: shares of windows.

    short: of WINDOW_S, throughput below target while requests waited. late_itl, late_ttft: of
    LATENCY_S, 99th percentile above its objective.
    """

    tok_j: float
    tok_s: float
    wall_w: float
    short: float
    late_itl: float
    late_ttft: float

    @property
    def violations(self) -> float:
        """The worst of the three shares."""
        return max(self.short, self.late_itl, self.late_ttft)


def judge(run: Run, objectives: Objectives, from_s: float = 0.0) -> Verdict:
    """Judge what happened from a time on."""
    first = round(from_s / PERIOD_S)
    tokens, wall_j = np.array(run.tokens[first:]), np.array(run.wall_j[first:])
    seconds = len(tokens) * PERIOD_S
    late_itl, late_ttft = _late(run, objectives, from_s)
    return Verdict(
        tok_j=float(tokens.sum() / wall_j.sum()),
        tok_s=float(tokens.sum() / seconds),
        wall_w=float(wall_j.sum() / seconds),
        short=_short(run, first),
        late_itl=late_itl,
        late_ttft=late_ttft,
    )


def _short(run: Run, first: int) -> float:
    per = round(WINDOW_S / PERIOD_S)
    starts = range(first, len(run.tokens) - per + 1, per)
    short = [_is_short(run, start, per) for start in starts]
    return float(np.mean(short)) if short else 0.0


def _is_short(run: Run, start: int, per: int) -> bool:
    span = slice(start, start + per)
    waited = np.mean(np.array(run.waiting[span]) > 0) > 0.5
    target = sum(run.schedule.at((start + i) * PERIOD_S).target_tok_s for i in range(per))
    return bool(waited and sum(run.tokens[span]) < (1.0 - TOLERANCE) * target * PERIOD_S)


def _late(run: Run, objectives: Objectives, from_s: float) -> tuple[float, float]:
    logs = run.logs[int(from_s // LATENCY_S) :]
    windows = [after - before for before, after in pairwise(logs)]
    itl = [w.itl_ms(QUANTILE) for w in windows]
    ttft = [w.ttft_ms(QUANTILE) for w in windows]
    return _share_above(itl, objectives.itl_ms), _share_above(ttft, objectives.ttft_ms)


def _share_above(values_ms: list[float | None], most_ms: float | None) -> float:
    if most_ms is None or not values_ms:
        return 0.0
    return float(np.mean([value is not None and value > most_ms for value in values_ms]))
