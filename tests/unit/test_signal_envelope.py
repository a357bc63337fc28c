"""The signal envelope: what it means, and what is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.wire.signal import MAX_BYTES, decode_clearing, decode_signal
from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.signals import SignalKey, Withdrawal

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def envelope(kind: str = "limit", **changes: Any) -> dict[str, Any]:
    payloads: dict[str, dict[str, Any]] = {
        "limit": {"value": 42, "unit": "kW"},
        "reduction": {"fraction": 0.3},
        "price": {"value": 0.25, "currency": "EUR", "unit": "kWh"},
        "carbon": {"value": 1000, "unit": "lbs/MWh"},
        "emergency": {},
        "alarm": {"alarm": "cooling", "limit_id": "rack-a"},
    }
    base = {
        "source": "utility",
        "id": "dr-17",
        "issued_at": "2030-01-01T12:00:00Z",
        "expires_at": "2030-01-01T14:00:00+01:00",
        "kind": kind,
        "payload": payloads.get(kind, {}),
    }
    return base | changes


def test_a_limit_is_read_in_watts_and_utc() -> None:
    signal = decode_signal(json.dumps(envelope()).encode())
    assert signal.key == SignalKey("utility", "dr-17")
    assert signal.value == 42_000
    assert signal.issued_at == signal.starts_at == NOON
    assert signal.ends_at == datetime(2030, 1, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("reduction", 0.3), ("price", 250.0), ("carbon", 453.59237), ("emergency", None)],
)
def test_each_kind_has_one_unit_inside(kind: str, value: float | None) -> None:
    assert decode_signal(envelope(kind)).value == (value and pytest.approx(value))


def test_an_alarm_has_no_end_of_its_own() -> None:
    signal = decode_signal(envelope("alarm"))
    assert (signal.kind, signal.alarm, signal.limit_id) == ("alarm", "cooling", "rack-a")
    assert (signal.value, signal.ends_at) == (None, None)


def test_a_cleared_alarm_takes_back_the_alarms_of_its_kind() -> None:
    over = json.dumps(envelope("alarm", payload={"alarm": "cooling", "cleared": True})).encode()
    assert decode_clearing(over) == Withdrawal("utility", None, NOON, "cooling")
    assert decode_clearing(json.dumps(envelope("alarm")).encode()) is None
    assert decode_clearing(json.dumps(envelope()).encode()) is None
    with pytest.raises(InvalidSignal, match="DELETE"):
        decode_signal(over)


def test_options_say_where_when_and_how_fast() -> None:
    payload = {
        "value": 1,
        "unit": "MW",
        "limit_id": "rack-a",
        "starts_at": "2030-01-01T12:10:00Z",
        "ends_at": "2030-01-01T12:20:00Z",
        "deadline_s": 30,
        "best_effort": True,
    }
    signal = decode_signal(envelope(payload=payload))
    assert (signal.limit_id, signal.deadline_s, signal.best_effort) == ("rack-a", 30.0, True)
    assert signal.starts_at.minute == 10
    assert signal.ends_at is not None
    assert signal.ends_at.minute == 20


def test_a_signal_never_outlives_its_expiry() -> None:
    payload = {"value": 1, "unit": "MW", "ends_at": "2031-01-01T00:00:00Z"}
    assert decode_signal(envelope(payload=payload)).ends_at == datetime(2030, 1, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour: unknown key"),
        ({"source": "Utility One"}, "source"),
        ({"id": "a\n"}, "id"),
        ({"id": "a" * 129}, "id"),
        ({"issued_at": "2030-01-01T12:00:00"}, "issued_at: the time needs a zone"),
        ({"issued_at": 1893499200}, "issued_at: expected a time"),
        ({"issued_at": "1893499200"}, "issued_at: expected a time"),
        ({"issued_at": "0001-01-01T00:00:00+14:00"}, "issued_at: the time lies outside"),
        ({"expires_at": "2030-01-01T12:00:00Z"}, "expires_at: must be later"),
        ({"kind": "wish"}, "kind"),
        ({"payload": []}, "payload"),
        ({"payload": {}}, "payload.value: Field required; payload.unit: Field required"),
        ({"payload": {"value": 42, "unit": "horsepower"}}, "unknown power unit 'horsepower'"),
        ({"payload": {"value": "42", "unit": "kW"}}, "payload.value"),
        ({"payload": {"value": True, "unit": "kW"}}, "payload.value"),
        ({"payload": {"value": float("nan"), "unit": "kW"}}, "payload.value"),
        ({"payload": {"value": float("inf"), "unit": "kW"}}, "payload.value"),
        ({"payload": {"value": 10**400, "unit": "kW"}}, "payload.value"),
        ({"payload": {"value": 1e12, "unit": "W"}}, "payload.value"),
        ({"payload": {"value": -1, "unit": "W"}}, "a limit cannot be negative"),
        ({"payload": {"value": 1, "unit": "W", "fraction": 1}}, "payload.fraction: unknown key"),
        ({"payload": {"value": 1, "unit": "W", "deadline_s": -1}}, "payload.deadline_s"),
        ({"payload": {"value": 1, "unit": "W", "best_effort": 1}}, "payload.best_effort"),
        ({"kind": "reduction", "payload": {"fraction": 1.5}}, "fraction above 0"),
        ({"kind": "price", "payload": {"value": 1, "unit": "MWh"}}, "payload.currency"),
        ({"kind": "carbon", "payload": {"value": 1, "unit": "kg"}}, "payload.unit"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSignal) as refusal:
        decode_signal(envelope(**changes))
    assert said in str(refusal.value)


def test_a_start_after_the_expiry_is_refused() -> None:
    payload = {"value": 1, "unit": "W", "starts_at": "2030-01-02T00:00:00Z"}
    with pytest.raises(InvalidSignal, match="would be over before"):
        decode_signal(envelope(payload=payload))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"[]", b"null", b"{", b'{"value": NaN}', b"[" * 9_000, b"1e999"],
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidSignal):
        decode_signal(raw)


def test_a_long_message_is_refused_unread() -> None:
    with pytest.raises(InvalidSignal, match="at most"):
        decode_signal(b" " * (MAX_BYTES + 1))
