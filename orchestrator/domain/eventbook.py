"""Advances demand response events with time, and freezes their baselines."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.events import EventRecord
from orchestrator.domain.failsafe import best_effort
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.timeline import Ceiling, recovery_ceiling
from orchestrator.domain.topology import Topology

EVENT_KINDS = ("limit", "reduction", "emergency", "alarm")
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
        asked_w = self._asked_w(signal)
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
        """Start the events whose interval has begun: freeze the baseline, fix what is asked.

        An event that starts during another of its limit, or during its recovery, takes over that
        one's baseline: what is metered then is the reduction.
        """
        started = []
        for signal in signals:
            record = self.records.get(signal.key)
            if record is None or record.status != "scheduled" or not signal.active_at(now):
                continue
            baseline_w = self._inherited_w(record.limit_id, now)
            if baseline_w is None:
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

    def end_due(
        self, in_force: Iterable[Ceiling], signals: Mapping[SignalKey, Signal], now: datetime
    ) -> list[EventRecord]:
        """End events that no longer stand, complete those that have recovered or were missed.

        signals: all that are known. An event whose signal is not among them goes on to its end.
        """
        standing = {ceiling.key for ceiling in in_force}
        changed = []
        for record in list(self.records.values()):
            after = self._after(record, standing, record.key in signals, now)
            if after is not record:
                changed.append(self._keep(after))
            if after.status == "completed":
                del self.records[record.key]
        return changed

    def cancel(self, key: SignalKey, now: datetime) -> list[EventRecord]:
        """Withdraw an event; one that was active leaves its recovery behind."""
        record = self.records.get(key)
        if record is None or record.status == "recovering":
            return []
        if record.status == "active":
            return [self._keep(replace(record, status="recovering", ended_at=now))]
        del self.records[key]
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
            if record.status == "recovering" and record.ended_at and record.baseline_w is not None
        ]

    def _asked_w(self, signal: Signal) -> float | None:
        if signal.kind == "emergency":
            return self.topology.firm_limit_w
        return signal.value if signal.kind in ("limit", "alarm") else None

    def _after(
        self, record: EventRecord, standing: set[SignalKey | None], known: bool, now: datetime
    ) -> EventRecord:
        """What becomes of an event now; the same object if nothing does."""
        ended = record.ends_at is not None and record.ends_at <= now
        if record.status == "scheduled" and ended:
            return replace(record, status="completed", ended_at=record.ends_at)
        if record.status == "active":
            replaced = known and record.limit_w is not None and record.key not in standing
            if ended or replaced:
                ended_at = record.ends_at if ended else now
                return replace(record, status="recovering", ended_at=ended_at)
        if record.status == "recovering":
            return self._recovering(record, standing, known, now)
        return record

    def _recovering(
        self, record: EventRecord, standing: set[SignalKey | None], known: bool, now: datetime
    ) -> EventRecord:
        """A replaced reduction keeps its baseline: it may stand again."""
        if record.key in standing:
            return replace(record, status="active", ended_at=None)
        keeps_baseline = known and record.kind == "reduction"
        if self._recovered(record, now) and not keeps_baseline:
            return replace(record, status="completed")
        return record

    def _recovered(self, record: EventRecord, now: datetime) -> bool:
        ended_at = record.ended_at or now
        return record.baseline_w is None or now >= ended_at + timedelta(seconds=self.recovery_s)

    def _inherited_w(self, limit_id: str, now: datetime) -> float | None:
        """The baseline of the earliest event that holds the limit down, or did a moment ago."""
        running = [
            record
            for record in self.records.values()
            if record.limit_id == limit_id and self._holds_down(record, now)
        ]
        first = min(running, key=lambda record: (record.starts_at, record.key), default=None)
        return first.baseline_w if first else None

    def _holds_down(self, record: EventRecord, now: datetime) -> bool:
        if record.status == "recovering":
            return not self._recovered(record, now)
        return record.status == "active"

    def _guaranteed(self, limit_id: str, limit_w: float | None) -> bool:
        return limit_w is not None and not best_effort(self.topology, limit_id, limit_w)

    def _keep(self, record: EventRecord) -> EventRecord:
        self.records[record.key] = record
        return record
