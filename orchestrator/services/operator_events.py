"""Events that operators create by hand: ordinary signals of the source "operator"."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from integrations.wire.signal import decode_signal
from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.events import EventRecord
from orchestrator.domain.failsafe import best_effort
from orchestrator.domain.signals import Signal
from orchestrator.domain.topology import Topology
from orchestrator.services.ingest import OPERATOR_SOURCE, Ingest, Receipt

EventKind = Literal["limit", "reduction", "emergency"]
MAX_DURATION_S = 31 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class EventRequest:
    """What an operator asks for. value: power in unit, or a fraction; starts_at None is now."""

    kind: EventKind
    duration_s: float
    value: float | None = None
    unit: str = "W"
    limit_id: str | None = None
    starts_at: datetime | None = None


class OperatorEvents:
    """Turns requests into signals and answers with the event they open."""

    def __init__(self, topology: Topology, ingest: Ingest, new_id: Callable[[], str]) -> None:
        self._topology = topology
        self._ingest = ingest
        self._new_id = new_id

    def create(self, request: EventRequest, who: str, now: datetime) -> tuple[EventRecord, Receipt]:
        """Create an event. Raises InvalidSignal, and as Ingest.receive does."""
        if not 0 < request.duration_s <= MAX_DURATION_S:
            raise InvalidSignal(f"duration_s: above 0 and at most {MAX_DURATION_S:.0f}")
        starts_at = request.starts_at or now
        raw = json.dumps(self._envelope(request, starts_at, now)).encode()
        receipt = self._ingest.receive(decode_signal(raw), raw, f"http:{who}", now)
        return self._record(receipt.signal, now), receipt

    def _envelope(
        self, request: EventRequest, starts_at: datetime, now: datetime
    ) -> Mapping[str, Any]:
        ends_at = starts_at + timedelta(seconds=request.duration_s)
        return {
            "source": OPERATOR_SOURCE,
            "id": self._new_id(),
            "issued_at": now.isoformat(),
            "expires_at": ends_at.isoformat(),
            "kind": request.kind,
            "payload": {
                **_asked(request),
                "limit_id": request.limit_id,
                "starts_at": starts_at.isoformat(),
            },
        }

    def _record(self, signal: Signal, now: datetime) -> EventRecord:
        limit_id = signal.limit_id or self._topology.root.id
        asked_w = {"limit": signal.value, "emergency": self._topology.firm_limit_w}.get(signal.kind)
        return EventRecord(
            key=signal.key,
            kind=signal.kind,
            limit_id=limit_id,
            status="active" if signal.active_at(now) else "scheduled",
            received_at=now,
            starts_at=signal.starts_at,
            ends_at=signal.ends_at,
            limit_w=asked_w,
            baseline_w=None,
            ended_at=None,
            guaranteed=asked_w is not None and not best_effort(self._topology, limit_id, asked_w),
        )


def _asked(request: EventRequest) -> Mapping[str, Any]:
    if request.kind == "emergency":
        return {}
    if request.value is None:
        raise InvalidSignal(f"value: a {request.kind} needs one")
    if request.kind == "reduction":
        return {"fraction": request.value}
    return {"value": request.value, "unit": request.unit}
