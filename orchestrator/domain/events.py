"""The life of a demand response event, from its arrival to the end of its recovery."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from orchestrator.domain.signals import SignalKey

EventStatus = Literal["scheduled", "active", "recovering", "completed", "cancelled"]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A limit, reduction, emergency or alarm as the settlement needs it.

    baseline_w: mean metered power of the limit's meter before the start, frozen at the start;
        None when no meter was there. limit_w: what the event asked for, once known.
    ended_at: when it really ended (planned end, cancellation or replacement).
    guaranteed: the limit is not below what holds while every node is at its fail-safe, nor, for
        the facility, below the firm limit; else it is met as best effort.
    """

    key: SignalKey
    kind: str
    limit_id: str
    status: EventStatus
    received_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    limit_w: float | None
    baseline_w: float | None
    ended_at: datetime | None
    guaranteed: bool


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Exposure or metered power above a limit after its ramp ended.

    excess_ws: watt-seconds above the limit between started_at and ended_at.
    measured: True from a meter, False from the exposure ledger.
    """

    limit_id: str
    started_at: datetime
    ended_at: datetime
    excess_ws: float
    worst_w: float
    cause: str
    measured: bool
