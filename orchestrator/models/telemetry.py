"""Telemetry turned into runs such as a profile has: settled, full, and inside the range."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from statistics import fmean
from typing import Final

from orchestrator.domain.telemetry import NodeSample
from orchestrator.models.points import FREE_MHZ, Axes

WINDOW: Final = timedelta(seconds=30)
SETTLE: Final = timedelta(seconds=5)
GAP: Final = timedelta(seconds=5)
LEAST_SAMPLES: Final = 10
SAME_W: Final = 1.0
BINDS: Final = 0.95
QUEUE: Final = 0.05
CAP_STEP_W: Final = 5.0
NEAR_BATCH: Final = 0.03


@dataclass(frozen=True, slots=True)
class Run:
    """Half a minute of a node at one setting; cap per card, the rest of the node."""

    at: datetime
    cap_w: float
    batch: int
    clock_mhz: float | None
    power_w: float
    tok_s: float
    itl_p95_ms: float | None


def runs_of(samples: Sequence[NodeSample], cards: int, axes: Axes) -> list[Run]:
    """The runs among samples that are sorted by node and time, oldest first.

    A run counts only inside the axes' range, at a batch near one that was profiled: refits must not
    stretch the range.
    """
    found = [
        run
        for window in _windows(samples)
        if (run := _run(window, cards, axes)) is not None
        and axes.covers([run.cap_w], [run.batch], [run.clock_mhz or FREE_MHZ])[0]
    ]
    return sorted(found, key=lambda run: (run.at, run.cap_w, run.batch))


def _windows(samples: Sequence[NodeSample]) -> Iterator[list[NodeSample]]:
    """Full half minutes at one setting, its first seconds left out."""
    for stretch in _stretches(samples):
        since = stretch[0].at + SETTLE
        later = [sample for sample in stretch if sample.at >= since]
        for _, window in groupby(later, key=lambda sample: (sample.at - since) // WINDOW):
            full = [sample for sample in window if _is_full(sample)]
            if len(full) >= LEAST_SAMPLES:
                yield full


def _stretches(samples: Iterable[NodeSample]) -> Iterator[list[NodeSample]]:
    """Samples of one node without gaps and without a change of limits, batch or clock."""
    stretch: list[NodeSample] = []
    for before, sample in pairwise([None, *samples]):
        if sample is None:
            continue
        if before is not None and not _same(before, sample):
            yield stretch
            stretch = []
        stretch.append(sample)
    if stretch:
        yield stretch


def _same(before: NodeSample, after: NodeSample) -> bool:
    if before.enforced_w is None or after.enforced_w is None:
        return False
    return (
        before.node == after.node
        and after.at - before.at <= GAP
        and abs(before.enforced_w - after.enforced_w) <= SAME_W
        and (before.batch_limit, before.clock_mhz) == (after.batch_limit, after.clock_mhz)
    )


def _is_full(sample: NodeSample) -> bool:
    """Whether requests wait and the batch or the cap holds the node; see domain.calibration."""
    if not (sample.enforced_w and sample.power_w and sample.tok_s and sample.running):
        return False
    full = sample.batch_limit is not None and sample.running >= sample.batch_limit
    held = full or sample.power_w >= BINDS * sample.enforced_w
    return held and sample.waiting is not None and sample.waiting > QUEUE * sample.running


def _run(window: Sequence[NodeSample], cards: int, axes: Axes) -> Run | None:
    running = fmean(sample.running or 0 for sample in window)
    batch = min(axes.batches, key=lambda known: abs(known / running - 1.0))
    if abs(batch / running - 1.0) > NEAR_BATCH:
        return None
    cap_w = fmean(sample.enforced_w or 0.0 for sample in window) / cards
    latencies = [sample.itl_p95_ms for sample in window if sample.itl_p95_ms]
    return Run(
        at=window[0].at,
        cap_w=round(cap_w / CAP_STEP_W) * CAP_STEP_W,
        batch=round(batch),
        clock_mhz=window[0].clock_mhz,
        power_w=fmean(sample.power_w or 0.0 for sample in window),
        tok_s=fmean(sample.tok_s or 0.0 for sample in window),
        itl_p95_ms=fmean(latencies) if latencies else None,
    )
