"""A model's operating points as surfaces: for each cap and clock, what every batch buys."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.frontier import Candidate


@dataclass(frozen=True, slots=True)
class Row:
    """Candidates of one cap per card and one clock lock, by rising batch; watts, tok/s of the node.

    points: as far as batch and tok_s rise together. crowded: larger batches that serve no more.
    model_cap_w: the measured cap that stands for it, where cap_w lies between measured ones.
    """

    cap_w: float
    clock_mhz: float | None
    points: tuple[Candidate, ...]
    crowded: tuple[Candidate, ...] = ()
    model_cap_w: float = 0.0

    def nearest(self, batch: float) -> Candidate:
        """The point whose batch is closest."""
        return min(self.points, key=lambda point: abs(point.batch - batch))

    @property
    def capacity_tok_s(self) -> float:
        """Throughput of a full batch."""
        return self.points[-1].tok_s

    def at(self, batch: float) -> Candidate:
        """What to expect while `batch` requests run: linear between points, none beyond the last.

        Below the first point the throughput is in proportion to the batch.
        """
        above = bisect_left(self.points, batch, key=lambda point: point.batch)
        if above == 0:
            first = self.points[0]
            return replace(first, tok_s=first.tok_s * batch / first.batch)
        if above == len(self.points):
            return self.points[-1]
        low, high = self.points[above - 1], self.points[above]
        return blend(low, high, (batch - low.batch) / (high.batch - low.batch))

    def batch_for(self, tok_s: float) -> float | None:
        """How many requests run when `tok_s` are asked for; None beyond the row's capacity."""
        above = bisect_left(self.points, tok_s, key=lambda point: point.tok_s)
        if above == len(self.points):
            return None
        high = self.points[above]
        if above == 0:
            return high.batch * tok_s / high.tok_s
        low = self.points[above - 1]
        share = (tok_s - low.tok_s) / (high.tok_s - low.tok_s)
        return low.batch + share * (high.batch - low.batch)


def blend(low: Candidate, high: Candidate, share: float) -> Candidate:
    """The point `share` of the way from one candidate to another; the batch is the higher's."""
    return Candidate(
        cap_w=_between(low.cap_w, high.cap_w, share),
        batch=high.batch,
        power_w=_between(low.power_w, high.power_w, share),
        tok_s=_between(low.tok_s, high.tok_s, share),
        itl_p95_ms=_maybe_between(low.itl_p95_ms, high.itl_p95_ms, share),
        itl_p99_ms=_maybe_between(low.itl_p99_ms, high.itl_p99_ms, share),
        clock_mhz=high.clock_mhz,
    )


def rows_of(points: Iterable[Candidate]) -> tuple[Row, ...]:
    """Candidates by cap and clock, free clocks last."""
    groups: dict[tuple[float, float | None], list[Candidate]] = defaultdict(list)
    for point in points:
        if point.tok_s > 0 and point.power_w > 0:
            groups[point.cap_w, point.clock_mhz].append(point)
    found = [_row(cap_w, mhz, group) for (cap_w, mhz), group in groups.items()]
    return tuple(sorted(found, key=lambda row: (row.cap_w, row.clock_mhz or float("inf"))))


def row_at(rows: Sequence[Row], cap_w: float) -> Row | None:
    """The free-clock row at a cap between two measured ones; None outside them."""
    free = [row for row in rows if row.clock_mhz is None]
    above = bisect_left(free, cap_w, key=lambda row: row.cap_w)
    if above == len(free) or (above == 0 and free[0].cap_w > cap_w):
        return None
    high = free[above]
    if high.cap_w == cap_w:
        return high
    low = free[above - 1]
    share = (cap_w - low.cap_w) / (high.cap_w - low.cap_w)
    below = {point.batch: point for point in (*low.points, *low.crowded)}
    above_ = [point for point in (*high.points, *high.crowded) if point.batch in below]
    points = [blend(below[point.batch], point, share) for point in above_]
    if not points:
        return None
    closer = low if share < 0.5 else high
    return replace(_row(cap_w, None, points), model_cap_w=closer.cap_w)


def _row(cap_w: float, clock_mhz: float | None, points: Iterable[Candidate]) -> Row:
    ordered = sorted(points, key=lambda point: point.batch)
    rising = _rising(ordered)
    last = rising[-1].batch
    crowded = tuple(point for point in ordered if point.batch > last)
    return Row(cap_w, clock_mhz, rising, crowded, cap_w)


def _rising(points: Iterable[Candidate]) -> tuple[Candidate, ...]:
    kept: list[Candidate] = []
    for point in points:
        if not kept or point.tok_s > kept[-1].tok_s:
            kept.append(point)
    return tuple(kept)


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


def _maybe_between(low: float | None, high: float | None, share: float) -> float | None:
    return None if low is None or high is None else _between(low, high, share)
