"""Advances demand response events with time, and freezes their baselines."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.events import EventRecord
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.timeline import Ceiling, recovery_ceiling
from orchestrator.domain.topology import Topology

EVENT_KINDS = ("limit", "reduction", "emergency")
Baseline = Callable[[str], float | None]


@dataclass(slots=True)
class EventBook:
    """All events that have not completed, by key.

    recovery_s: for how long after an event its baseline stays the ceiling, so that the backlog
    it left does not push the site above what it drew before.
    """

    topology: Topology
    recovery_s: float
    records: dict[SignalKey, EventRecord] = field(default_factory=dict)

    def open(self, signal: Signal, received_at: datetime) -> list[EventRecord]:
        """Enter a signal that asks for a curtailment; nothing for prices and carbon."""
        if signal.kind not in EVENT_KINDS or signal.key in self.records:
            return []
        limit_id = signal.limit_id or self.topology.root.id
        asked_w = {"limit": signal.value, "emergency": self.topology.firm_limit_w}.get(signal.kind)
        record = EventRecord(
            key=signal.key,
            kind=signal.kind,
            limit_id=limit_id,
            status="scheduled",
            received_at=received_at,
            starts_at=signal.starts_at,
            ends_at=signal.ends_at,
            limit_w=asked_w,
            baseline_w=None,
            ended_at=None,
            guaranteed=self._guaranteed(limit_id, asked_w),
        )
        return [self._keep(record)]

    def start_due(
        self, signals: Iterable[Signal], now: datetime, baseline: Baseline
    ) -> list[EventRecord]:
        """Start the events whose interval has begun: freeze the baseline, fix what is asked."""
        started = []
        for signal in signals:
            record = self.records.get(signal.key)
            if record is None or record.status != "scheduled" or not signal.active_at(now):
                continue
            baseline_w = baseline(record.limit_id)
            limit_w = record.limit_w
            if signal.kind == "reduction" and baseline_w is not None:
                limit_w = (1 - (signal.value or 0.0)) * baseline_w
            started.append(
                self._keep(
                    replace(
                        record,
                        status="active",
                        baseline_w=baseline_w,
                        limit_w=limit_w,
                        guaranteed=self._guaranteed(record.limit_id, limit_w),
                    )
                )
            )
        return started

    def end_due(self, in_force: Iterable[Ceiling], now: datetime) -> list[EventRecord]:
        """End active events that no longer stand, complete those that have recovered."""
        standing = {ceiling.key for ceiling in in_force}
        changed = []
        for record in list(self.records.values()):
            if record.status == "active" and self._over(record, standing, now):
                changed.append(self._keep(replace(record, status="recovering", ended_at=now)))
            elif record.status == "recovering" and self._recovered(record, now):
                changed.append(replace(record, status="completed"))
                del self.records[record.key]
        return changed

    def cancel(self, key: SignalKey, now: datetime) -> list[EventRecord]:
        """Withdraw an event; one that was active leaves its recovery behind."""
        record = self.records.pop(key, None)
        if record is None:
            return []
        if record.status == "active":
            return [self._keep(replace(record, status="recovering", ended_at=now))]
        return [replace(record, status="cancelled", ended_at=now)]

    def baselines_w(self) -> Mapping[SignalKey, float]:
        """The frozen baselines of events that have started."""
        return {
            key: record.baseline_w
            for key, record in self.records.items()
            if record.baseline_w is not None
        }

    def recovery_ceilings(self) -> list[Ceiling]:
        """One ceiling at the baseline for every event that is recovering."""
        return [
            recovery_ceiling(
                record.key, record.ended_at, record.baseline_w, self.recovery_s, record.limit_id
            )
            for record in self.records.values()
            if record.status == "recovering" and record.ended_at and record.baseline_w
        ]

    def _over(self, record: EventRecord, standing: set[SignalKey | None], now: datetime) -> bool:
        if record.limit_w is None:
            return record.ends_at is not None and now >= record.ends_at
        return record.key not in standing

    def _recovered(self, record: EventRecord, now: datetime) -> bool:
        ended_at = record.ended_at or now
        return record.baseline_w is None or now >= ended_at + timedelta(seconds=self.recovery_s)

    def _guaranteed(self, limit_id: str, limit_w: float | None) -> bool:
        if limit_w is None or limit_id != self.topology.root.id:
            return limit_w is not None
        return limit_w >= self.topology.firm_limit_w

    def _keep(self, record: EventRecord) -> EventRecord:
        self.records[record.key] = record
        return record
