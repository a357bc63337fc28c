"""Alarms by hand or from a building management system: signals of the kind "alarm"."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from orchestrator.domain.signals import Alarm, Signal
from orchestrator.services.ingest import Ingest, Receipt
from orchestrator.services.repositories import Signals


class Alarms:
    """Raises alarms and lists those that hold; they are cleared as signals are withdrawn."""

    def __init__(self, ingest: Ingest, signals: Signals, new_id: Callable[[], str]) -> None:
        self._ingest = ingest
        self._signals = signals
        self._new_id = new_id

    def standing(self, now: datetime) -> Sequence[Signal]:
        """Alarms that hold, those that were cleared a moment ago included."""
        return [signal for signal in self._signals.standing(now) if signal.kind == "alarm"]

    def raise_alarm(
        self, alarm: Alarm, limit_id: str | None, source: str, who: str, now: datetime
    ) -> Receipt:
        """Shed at once. Raises InvalidSignal, and as Ingest.receive does."""
        envelope = {
            "source": source,
            "id": self._new_id(),
            "issued_at": now.isoformat(),
            "expires_at": (now + timedelta(days=1)).isoformat(),
            "kind": "alarm",
            "payload": {"alarm": alarm, "limit_id": limit_id},
        }
        return self._ingest.receive_envelope(json.dumps(envelope).encode(), f"http:{who}", now)
