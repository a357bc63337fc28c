"""Events with what they delivered, as operators see them."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.domain.events import EventRecord
from orchestrator.domain.failsafe import best_effort
from orchestrator.domain.signals import SignalKey
from orchestrator.domain.topology import Topology

FIGURES_FOR = timedelta(seconds=10)
COUNTED = 500


class Delivered(Protocol):
    """Figures of one event by the meter; None where there was none."""

    @property
    def key(self) -> SignalKey: ...
    @property
    def delivered_w(self) -> float | None: ...
    @property
    def delivered_fraction(self) -> float | None: ...
    @property
    def time_to_comply_s(self) -> float | None: ...
    @property
    def max_over_limit_w(self) -> float | None: ...
    @property
    def excess_ws(self) -> float | None: ...


class Events(Protocol):
    """The latest events, newest first. Raises DatabaseUnavailable."""

    def list(self, limit: int) -> Sequence[EventRecord]: ...


class Deliveries(Protocol):
    """What the latest events delivered. Raises DatabaseUnavailable."""

    def deliveries(self, limit: int) -> Sequence[Delivered]: ...


@dataclass(frozen=True, slots=True)
class EventReport:
    """An event record (see EventRecord) and its figures, None as long as they are not known.

    delivered_w: baseline less mean metered power; delivered_fraction: of what was asked.
    excess_ws: watt-seconds that the meter stayed above the limit after its ramp.
    note: why it is met as best effort only, by the limits of today; empty when it is guaranteed.
    """

    key: SignalKey
    kind: str
    limit_id: str
    status: str
    received_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    limit_w: float | None
    baseline_w: float | None
    ended_at: datetime | None
    guaranteed: bool
    note: str = ""
    delivered_w: float | None = None
    delivered_fraction: float | None = None
    time_to_comply_s: float | None = None
    max_over_limit_w: float | None = None
    excess_ws: float | None = None


class EventReports:
    """Records are always fresh; figures, which cost more, are counted again every ten seconds."""

    def __init__(self, events: Events, deliveries: Deliveries, topology: Topology) -> None:
        self._events = events
        self._topology = topology
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._figures: Mapping[SignalKey, Delivered] = {}
        self._counted_at: datetime | None = None

    def latest(self, limit: int, now: datetime) -> list[EventReport]:
        """The latest events, newest first."""
        records = self._events.list(limit)
        figures = self._fresh(now) if records else {}
        return [self._report(record, figures.get(record.key)) for record in records]

    def _fresh(self, now: datetime) -> Mapping[SignalKey, Delivered]:
        with self._lock:
            if self._counted_at is None or now - self._counted_at >= FIGURES_FOR:
                found = self._deliveries.deliveries(COUNTED)
                self._figures = {delivered.key: delivered for delivered in found}
                self._counted_at = now
            return self._figures

    def _report(self, record: EventRecord, figures: Delivered | None) -> EventReport:
        found = _report(record, figures)
        asked_w = record.limit_w
        if record.guaranteed or asked_w is None:
            return found
        return replace(found, note=best_effort(self._topology, record.limit_id, asked_w))


def _report(record: EventRecord, figures: Delivered | None) -> EventReport:
    fields = {name: getattr(record, name) for name in EventRecord.__slots__}
    if figures is None or record.status == "scheduled":
        return EventReport(**fields)
    return EventReport(
        **fields,
        delivered_w=figures.delivered_w,
        delivered_fraction=figures.delivered_fraction,
        time_to_comply_s=figures.time_to_comply_s,
        max_over_limit_w=figures.max_over_limit_w,
        excess_ws=figures.excess_ws,
    )
