"""The demo's figures: did the site comply, how fast, and what it cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from integrations.twin.site import TwinSite
from orchestrator.demo.measure import (
    Observer,
    Sample,
    highest_mean_w,
    itl_p95_ms,
    mean_w,
    tokens_without_event,
)

BASELINE_S = 20.0
REBOUND_S = 60.0
WINDOW_S = 5.0
STAYING_S = 3.0


@dataclass(frozen=True, slots=True)
class Event:
    """The event as the utility published it: monotonic seconds and watts."""

    published_s: float
    duration_s: float
    baseline_w: float
    limit_w: float

    @property
    def ends_s(self) -> float:
        return self.published_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Report:
    """See the README for what each figure means; watts, seconds, fractions, milliseconds."""

    simulated: bool
    nodes: int
    baseline_w: float
    limit_w: float
    time_to_comply_s: float | None
    max_over_limit_w: float | None
    rebound_w: float | None
    tokens_lost_fraction: float | None
    p95_itl_ms_before: float | None
    p95_itl_ms_during: float | None
    decisions: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def report(site: TwinSite, observer: Observer, event: Event, decisions: int) -> Report:
    """Everything that is known when the demo ends."""
    during = observer.between(event.published_s, event.ends_s)
    complied_s = complied_at_s(during, event.limit_w)
    settled = [s for s in during if complied_s is not None and s.at_s >= complied_s]
    before = [t for t in observer.truths if _within(t.at_s, event.published_s, -BASELINE_S)]
    cut = [t for t in observer.truths if _within(t.at_s, event.published_s, event.duration_s)]
    return Report(
        simulated=True,
        nodes=len(site.nodes),
        baseline_w=round(event.baseline_w, 1),
        limit_w=round(event.limit_w, 1),
        time_to_comply_s=None if complied_s is None else round(complied_s - event.published_s, 2),
        max_over_limit_w=_most_over(settled, event.limit_w),
        rebound_w=rebound_w(observer, event),
        tokens_lost_fraction=_tokens_lost(site, observer, event),
        p95_itl_ms_before=_rounded(itl_p95_ms(before)),
        p95_itl_ms_during=_rounded(itl_p95_ms(cut)),
        decisions=decisions,
    )


def complied_at_s(during: Sequence[Sample], limit_w: float) -> float | None:
    """The first moment from which power stayed at or under the limit for three seconds."""
    start: float | None = None
    for sample in during:
        if sample.power_w > limit_w:
            start = None
            continue
        start = sample.at_s if start is None else start
        if sample.at_s - start >= STAYING_S:
            return start
    return None


def rebound_w(observer: Observer, event: Event) -> float | None:
    """Highest 5 s mean in the minute after the end, less the highest in the minute before."""
    after = observer.between(event.ends_s, event.ends_s + REBOUND_S)
    before = observer.between(event.published_s - REBOUND_S, event.published_s)
    if not after or not before or after[-1].at_s < event.ends_s + WINDOW_S:
        return None
    return round(highest_mean_w(after, WINDOW_S) - highest_mean_w(before, WINDOW_S), 1)


def baseline_w(observer: Observer, now_s: float) -> float:
    """Mean metered power over the twenty seconds before now."""
    return mean_w(observer.between(now_s - BASELINE_S, now_s))


def _most_over(settled: Sequence[Sample], limit_w: float) -> float | None:
    if not settled:
        return None
    return round(max(0.0, max(sample.power_w for sample in settled) - limit_w), 1)


def _tokens_lost(site: TwinSite, observer: Observer, event: Event) -> float | None:
    if len([t for t in observer.truths if t.at_s < event.published_s]) < 2:
        return None
    made, without = tokens_without_event(site, observer.truths, event.published_s)
    return round(1 - made / without, 5) if without else None


def _within(at_s: float, start_s: float, span_s: float) -> bool:
    low, high = sorted((start_s, start_s + span_s))
    return low <= at_s < high


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
