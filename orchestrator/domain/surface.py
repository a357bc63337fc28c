"""A model's operating points as a table that can be asked in between, and says where it ends."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

from orchestrator.domain.frontier import Candidate


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model expects of a node: tokens per second, watts of all cards."""

    tok_s: float
    power_w: float


@dataclass(frozen=True, slots=True)
class Surface:
    """Operating points by clock lock, cap per card and batch; caps and batches are sorted.

    Built from a full grid; points of an incomplete one are outside wherever a neighbour is missing.
    """

    caps_w: tuple[float, ...]
    batches: tuple[int, ...]
    points: dict[tuple[float | None, float, int], Candidate]

    def at(self, cap_w: float, batch: float, clock_mhz: float | None = None) -> Expected | None:
        """Between the nearest points, linear in the cap and in the logarithm of the batch.

        None outside the profiled range, or at a clock lock that was not profiled.
        """
        cap, size = _between(self.caps_w, cap_w), _between(self.batches, batch)
        if cap is None or size is None:
            return None
        (low_w, high_w), (few, many) = cap, size
        across = _share(low_w, high_w, cap_w)
        along = _share(log(few), log(many), log(batch))
        corners = [
            (self.points.get((clock_mhz, each_w, each)), part * share)
            for each_w, part in ((low_w, 1.0 - across), (high_w, across))
            for each, share in ((int(few), 1.0 - along), (int(many), along))
        ]
        known = [(point, share) for point, share in corners if point is not None]
        if len(known) < len(corners):
            return None
        return Expected(
            sum(point.tok_s * share for point, share in known),
            sum(point.power_w * share for point, share in known),
        )


def surface_of(points: Iterable[Candidate]) -> Surface:
    """The surface of a model's candidates."""
    found = {(point.clock_mhz, point.cap_w, point.batch): point for point in points}
    return Surface(
        caps_w=tuple(sorted({cap_w for _, cap_w, _ in found})),
        batches=tuple(sorted({batch for _, _, batch in found})),
        points=found,
    )


def _between(known: Sequence[float], asked: float) -> tuple[float, float] | None:
    """The known values around one that is asked for, None outside them."""
    slack = 1e-3 * asked  # limits are written in milliwatts and read back rounded
    if not known or not known[0] - slack <= asked <= known[-1] + slack:
        return None
    right = min(max(bisect_right(known, asked), 1), len(known) - 1)
    return known[max(right - 1, 0)], known[right]


def _share(low: float, high: float, asked: float) -> float:
    return min(1.0, max(0.0, (asked - low) / (high - low))) if high > low else 0.0
