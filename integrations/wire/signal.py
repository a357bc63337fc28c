"""The signal envelope, the same over HTTP and MQTT.

    {"source": "utility", "id": "dr-17", "issued_at": "...", "expires_at": "...",
     "kind": "limit", "payload": {"value": 42, "unit": "kW"}}

After expires_at the message is refused and the signal is over, whatever its payload says; but an
alarm holds until it is cleared.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from integrations.wire.strict_json import (
    Flag,
    LimitId,
    Moment,
    Number,
    Seconds,
    SignalId,
    Source,
    Strict,
    Text,
    read_model,
    read_object,
)
from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.signals import Alarm, Kind, Signal, SignalKey, Withdrawal, power_in_w

MAX_BYTES = 16 * 1024
MAX_POWER_W = 1e11
KWH_PER_MWH = 1000.0
G_PER_LB = 453.59237
DEFAULT_DEADLINE_S = 5.0


class Options(Strict):
    """What limits, reductions and emergencies have in common."""

    limit_id: LimitId | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    deadline_s: Seconds = DEFAULT_DEADLINE_S
    best_effort: Flag = False


class LimitPayload(Options):
    """At most this much power."""

    value: Number
    unit: Text


class ReductionPayload(Options):
    """This fraction less than the power before the event."""

    fraction: Number


class EmergencyPayload(Options):
    """Down to the firm limit, now."""


class AlarmPayload(Strict):
    """Something broke: the operator's settings say what is shed. It holds until it is cleared."""

    alarm: Alarm
    limit_id: LimitId | None = None
    cleared: Flag = False


class PricePayload(Strict):
    """The price of energy; Ballast compares it with the operator's threshold."""

    value: Number
    currency: Text
    unit: Literal["MWh", "kWh"]


class CarbonPayload(Strict):
    """The carbon intensity of the grid."""

    value: Number
    unit: Literal["g/kWh", "lbs/MWh"]


Payload = (
    LimitPayload | ReductionPayload | EmergencyPayload | AlarmPayload | PricePayload | CarbonPayload
)
PAYLOADS: Mapping[Kind, type[Payload]] = {
    "limit": LimitPayload,
    "reduction": ReductionPayload,
    "price": PricePayload,
    "carbon": CarbonPayload,
    "emergency": EmergencyPayload,
    "alarm": AlarmPayload,
}


class Envelope(Strict):
    """The outer part, the same for every kind."""

    source: Source
    id: SignalId
    issued_at: Moment
    expires_at: Moment
    kind: Kind
    payload: dict[str, Any]


def decode_signal(message: bytes | Mapping[str, Any]) -> Signal:
    """The signal in an envelope, in watts, currency per MWh and g CO2 per kWh.

    A signal without starts_at starts when it was issued. Raises InvalidSignal naming the field.
    """
    content = read_object(message, MAX_BYTES) if isinstance(message, bytes) else dict(message)
    envelope = read_model(Envelope, content)
    payload = read_model(PAYLOADS[envelope.kind], envelope.payload, "payload")
    if isinstance(payload, AlarmPayload):
        return _alarm(envelope, payload)
    options = payload if isinstance(payload, Options) else Options()
    starts_at = options.starts_at or envelope.issued_at
    return Signal(
        key=SignalKey(envelope.source, envelope.id),
        kind=envelope.kind,
        value=_value(payload),
        issued_at=envelope.issued_at,
        starts_at=starts_at,
        ends_at=_ends_at(envelope, options, starts_at),
        limit_id=options.limit_id,
        deadline_s=options.deadline_s,
        best_effort=options.best_effort,
    )


def decode_clearing(message: bytes) -> Withdrawal | None:
    """The withdrawal in an alarm that is cleared; None for any other envelope."""
    envelope = read_model(Envelope, read_object(message, MAX_BYTES))
    if envelope.kind != "alarm":
        return None
    payload = read_model(AlarmPayload, envelope.payload, "payload")
    if not payload.cleared:
        return None
    return Withdrawal(envelope.source, payload.limit_id, envelope.issued_at, payload.alarm)


def _alarm(envelope: Envelope, payload: AlarmPayload) -> Signal:
    if payload.cleared:
        raise InvalidSignal("payload.cleared: over HTTP alarms are cleared with DELETE /alarms")
    return Signal(
        key=SignalKey(envelope.source, envelope.id),
        kind="alarm",
        value=None,
        issued_at=envelope.issued_at,
        starts_at=envelope.issued_at,
        ends_at=None,
        limit_id=payload.limit_id,
        alarm=payload.alarm,
    )


def _value(payload: Payload) -> float | None:
    match payload:
        case LimitPayload():
            return _power_w(payload.value, payload.unit)
        case ReductionPayload():
            return payload.fraction
        case PricePayload():
            return payload.value * (KWH_PER_MWH if payload.unit == "kWh" else 1.0)
        case CarbonPayload():
            return payload.value * (G_PER_LB / KWH_PER_MWH if payload.unit == "lbs/MWh" else 1.0)
        case EmergencyPayload() | AlarmPayload():
            return None


def _power_w(value: float, unit: str) -> float:
    power_w = power_in_w(value, unit)
    if power_w > MAX_POWER_W:
        raise InvalidSignal(
            f"payload.value: {value:g} {unit} is no power of a facility; mind the unit"
        )
    return power_w


def _ends_at(envelope: Envelope, options: Options, starts_at: datetime) -> datetime:
    if envelope.expires_at <= envelope.issued_at:
        raise InvalidSignal("expires_at: must be later than issued_at")
    if envelope.expires_at <= starts_at:
        raise InvalidSignal("expires_at: the signal would be over before payload.starts_at")
    return min(options.ends_at or envelope.expires_at, envelope.expires_at)
