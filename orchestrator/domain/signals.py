"""What the grid says: typed signals with a validity, from any source."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from orchestrator.domain.errors import InvalidSignal

Kind = Literal["limit", "reduction", "price", "carbon", "emergency", "alarm"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Alarm = Literal["ups_on_battery", "generator", "cooling", "breaker"]
ALARMS: tuple[Alarm, ...] = get_args(Alarm)

POWER_UNITS_W = {
    "W": 1.0,
    "kW": 1e3,
    "MW": 1e6,
    "watt": 1.0,
    "kilowatt": 1e3,
    "megawatt": 1e6,
}


@dataclass(frozen=True, slots=True, order=True)
class SignalKey:
    """Who sent a signal and what they call it: together unique for ever."""

    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One message of the grid or an operator, checked.

    kind and value: limit in watts; reduction as a fraction of the baseline; price in currency
        per MWh; carbon in g CO2 per kWh; emergency has no value; alarm its ceiling in watts.
    limit_id: the limit it applies to, None for the root of the tree.
    ends_at: None holds until the source replaces or cancels it.
    deadline_s: seconds after the start by which the programme wants to see the reduction.
    alarm: what has happened, for the kind alarm alone.
    """

    key: SignalKey
    kind: Kind
    value: float | None
    issued_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    limit_id: str | None = None
    deadline_s: float = 5.0
    best_effort: bool = False
    correlation_id: str | None = None
    alarm: Alarm | None = None

    def __post_init__(self) -> None:
        _check(self)

    def active_at(self, instant: datetime) -> bool:
        """Whether the signal's interval, start included and end excluded, covers the instant."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A source takes back all that it asked of one limit until issued_at.

    alarm: only its alarms of this kind, and limit_id None then means at every limit.
    """

    source: str
    limit_id: str | None
    issued_at: datetime
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class SignalBatch:
    """What one message says: the withdrawals hold first, then the signals."""

    withdrawals: tuple[Withdrawal, ...]
    signals: tuple[Signal, ...]


def power_in_w(value: float, unit: str) -> float:
    """Watts from a value and a unit. Raises InvalidSignal for a unit nobody knows."""
    factor = POWER_UNITS_W.get(unit)
    if factor is None:
        raise InvalidSignal(f"unknown power unit {unit!r}; use one of {', '.join(POWER_UNITS_W)}")
    return value * factor


def check_fresh(signal: Signal, now: datetime, max_skew_s: float = 60.0) -> None:
    """Refuse a signal that has ended already or claims to be issued in the future."""
    if signal.ends_at is not None and signal.ends_at <= now:
        raise InvalidSignal(f"the signal expired at {signal.ends_at.isoformat()}")
    if (signal.issued_at - now).total_seconds() > max_skew_s:
        raise InvalidSignal(
            f"issued_at {signal.issued_at.isoformat()} lies in the future; check the sender's clock"
        )


def _check(signal: Signal) -> None:
    if signal.kind not in KINDS:
        raise InvalidSignal(f"unknown kind {signal.kind!r}; use one of {', '.join(KINDS)}")
    for name in ("issued_at", "starts_at", "ends_at"):
        moment = getattr(signal, name)
        if moment is not None and moment.tzinfo is None:
            raise InvalidSignal(f"{name} needs a time zone")
    if signal.ends_at is not None and signal.ends_at <= signal.starts_at:
        raise InvalidSignal("the signal ends before it starts")
    if not 0 <= signal.deadline_s < math.inf:
        raise InvalidSignal("deadline_s cannot be negative, and is finite")
    if (signal.kind == "alarm") != (signal.alarm in ALARMS):
        raise InvalidSignal(f"an alarm is one of {', '.join(ALARMS)}; no other kind has one")
    _check_value(signal.kind, signal.value)


def _check_value(kind: Kind, value: float | None) -> None:
    if kind == "emergency" or (kind == "alarm" and value is None):
        return
    if value is None or not math.isfinite(value):
        raise InvalidSignal(f"a {kind} signal needs a finite value")
    if kind in ("limit", "alarm") and value < 0:
        raise InvalidSignal("a limit cannot be negative")
    if kind == "reduction" and not 0 < value <= 1:
        raise InvalidSignal("a reduction is a fraction above 0 and at most 1")
    if kind == "carbon" and value < 0:
        raise InvalidSignal("a carbon intensity cannot be negative")
