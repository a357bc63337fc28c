"""DSX Flex: load targets in, power state and breach alerts out."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import ECKey, RSAKey

from integrations.grid.dsx_flex import (
    DsxFlexConfig,
    TargetRequest,
    decode_load_targets,
    load_target_event,
    load_target_topic,
)
from integrations.grid.dsx_flex_envelope import Stamp
from integrations.grid.dsx_flex_status import (
    Breach,
    FeedState,
    FeedTarget,
    ShedHint,
    encode_power_breach,
    encode_power_state,
)
from integrations.grid.dsx_jws import (
    SigningKey,
    TrustedKey,
    load_signing_key,
    load_trusted_key,
    new_signing_key,
    private_pem,
    public_pem,
    sign,
    verify,
)
from orchestrator.domain.errors import ConfigurationError, InvalidSignal
from orchestrator.domain.signals import SignalBatch, SignalKey

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
EVENT_ID = UUID("6b1f2a0e-7a9c-4f0e-9d8e-3d5f5b0c1a2b")
CORRELATION = UUID("0d6c4f9a-0000-4000-8000-000000000001")
STAMP = Stamp(EVENT_ID, NOW, CORRELATION)
KEY = new_signing_key("acme-1")
CONFIG = DsxFlexConfig(
    feeds={"main-a": "feed-a", "main-b": "feed-b"},
    trusted={"acme-1": load_trusted_key("acme-1", public_pem(KEY), "acme")},
)
OPEN = replace(CONFIG, allow_unsigned=True)


def decode(raw: bytes, config: DsxFlexConfig = CONFIG, now: datetime = NOW) -> SignalBatch:
    return decode_load_targets(load_target_topic("acme"), raw, config, now)


def plain_event(**changes: Any) -> bytes:
    event = json.loads(load_target_event("acme", [TargetRequest(5e4, ["main-a"])], STAMP))
    return json.dumps(event | changes).encode()


def plain_target(**changes: Any) -> bytes:
    target = {
        "interval": {},
        "feed_tags": ["main-a"],
        "load_constraint": {"value": 50, "unit": "kilowatt"},
    }
    return plain_event(data={"targets": [target | changes]})


def test_a_signed_target_becomes_a_signal() -> None:
    request = TargetRequest(
        limit_w=42_000,
        feed_tags=["main-a"],
        starts_at=NOW + timedelta(minutes=1),
        ends_at=NOW + timedelta(minutes=2),
        best_effort=True,
    )
    (signal,) = decode(load_target_event("acme", [request], STAMP, KEY)).signals
    assert signal.key == SignalKey("dsx-acme", f"{EVENT_ID}:0")
    assert (signal.kind, signal.value, signal.limit_id) == ("limit", 42_000, "feed-a")
    assert (signal.starts_at, signal.ends_at) == (request.starts_at, request.ends_at)
    assert signal.issued_at == NOW
    assert signal.best_effort
    assert signal.correlation_id == str(CORRELATION)


def test_a_target_without_times_or_feeds_holds_everywhere_from_the_event_on() -> None:
    signals = decode(load_target_event("acme", [TargetRequest(42_000)], STAMP, KEY)).signals
    assert [signal.limit_id for signal in signals] == ["feed-a", "feed-b"]
    assert [signal.key.id for signal in signals] == [f"{EVENT_ID}:0", f"{EVENT_ID}:1"]
    assert {(signal.starts_at, signal.ends_at) for signal in signals} == {(NOW, None)}


def test_a_null_constraint_withdraws_what_the_source_asked_of_the_feed() -> None:
    targets = decode(load_target_event("acme", [TargetRequest(None, ["main-b"])], STAMP, KEY))
    assert targets.signals == ()
    (withdrawal,) = targets.withdrawals
    assert (withdrawal.source, withdrawal.limit_id) == ("dsx-acme", "feed-b")
    assert withdrawal.issued_at == NOW


@pytest.mark.parametrize(("unit", "watts"), [("watt", 50), ("kilowatt", 5e4), ("megawatt", 5e7)])
def test_the_units_of_the_contract(unit: str, watts: float) -> None:
    raw = plain_target(load_constraint={"value": 50, "unit": unit})
    assert decode(raw, OPEN).signals[0].value == watts


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (plain_target(load_constraint={"value": 50, "unit": "kW"}), "load_constraint.unit"),
        (plain_target(load_constraint={"value": 0, "unit": "watt"}), "load_constraint.value"),
        (plain_target(load_constraint={"value": -5, "unit": "watt"}), "load_constraint.value"),
        (plain_target(load_constraint={"unit": "watt"}), "load_constraint.value"),
        (plain_target(feed_tags=["cellar"]), "known ones are main-a, main-b"),
        (plain_target(interval={"start_time": "noon"}), "interval.start_time"),
        (plain_target(load_constraint=None, interval={"start_time": "2030-01-02T00:00:00Z"}),
         "start_time"),
        (plain_event(data={"targets": []}), "data.targets"),
        (plain_event(data={}), "data.targets"),
        (plain_event(specversion="0.3"), "specversion"),
        (plain_event(id="17"), "id"),
        (plain_event(type="grid.powerstate.status.v1"), "type"),
        (plain_event(source="//grid/v1/isv/other"), "source"),
        (plain_event(source="//grid/v1/infra/acme"), "source"),
        (plain_event(source="acme"), "source"),
        (plain_event(time="2030-01-01T11:50:00Z"), "time: 600 s old"),
        (plain_event(time="2030-01-01T12:10:00Z"), "time: lies in the future"),
    ],
)  # fmt: skip
def test_bad_events_are_refused_by_the_name_of_the_field(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidSignal) as refusal:
        decode(raw, OPEN)
    assert said in str(refusal.value)


def test_setting_and_removing_one_feed_at_once_is_refused() -> None:
    requests = [TargetRequest(5e4, ["main-a"]), TargetRequest(None, ["main-a"])]
    with pytest.raises(InvalidSignal, match="sets and removes"):
        decode(load_target_event("acme", requests, STAMP, KEY))


def test_unsigned_data_is_refused_unless_configured() -> None:
    raw = load_target_event("acme", [TargetRequest(5e4)], STAMP)
    with pytest.raises(InvalidSignal, match="must be signed"):
        decode(raw)
    assert len(decode(raw, OPEN).signals) == 2


def test_a_changed_payload_breaks_the_signature() -> None:
    event = json.loads(load_target_event("acme", [TargetRequest(5e4)], STAMP, KEY))
    header, _, signature = event["data"].split(".")
    other = sign(b'{"targets":[]}', KEY).split(".")[1]
    with pytest.raises(InvalidSignal, match="signature"):
        decode(plain_event(data=f"{header}.{other}.{signature}"))


def test_only_the_publishers_own_key_counts() -> None:
    stranger = new_signing_key("stranger")
    raw = load_target_event("acme", [TargetRequest(5e4)], STAMP, stranger)
    with pytest.raises(InvalidSignal, match="not trusted"):
        decode(raw)
    others = replace(CONFIG, trusted={"stranger": TrustedKey("other", stranger.key)})
    with pytest.raises(InvalidSignal, match="may not sign"):
        decode(raw, others)


def test_a_key_under_anothers_name_is_refused() -> None:
    forged = SigningKey("acme-1", ECKey.generate_key("P-256"))
    with pytest.raises(InvalidSignal, match="signature"):
        decode(load_target_event("acme", [TargetRequest(5e4)], STAMP, forged))


def test_a_token_without_an_algorithm_is_refused() -> None:
    unsigned = "eyJhbGciOiJub25lIiwia2lkIjoiYWNtZS0xIn0.e30.AA"
    with pytest.raises(InvalidSignal, match="signature"):
        verify(unsigned, CONFIG.trusted, "acme")


def test_rsa_keys_sign_and_verify_too() -> None:
    key = SigningKey("rsa-1", RSAKey.generate_key(2048))
    trusted = {"rsa-1": load_trusted_key("rsa-1", public_pem(key), "acme")}
    assert verify(sign(b"{}", key), trusted, "acme") == b"{}"


def test_keys_travel_as_pem_and_weak_or_strange_ones_are_refused() -> None:
    again = load_signing_key("acme-1", private_pem(KEY))
    assert verify(sign(b"{}", again), CONFIG.trusted, "acme") == b"{}"
    with pytest.raises(ConfigurationError, match="private"):
        load_signing_key("acme-1", public_pem(KEY))
    with pytest.raises(ConfigurationError, match="PEM"):
        load_signing_key("acme-1", b"secret")
    with pytest.raises(ConfigurationError, match="P-256"):
        load_trusted_key("k", ECKey.generate_key("P-384").as_pem(private=False), "acme")


def test_a_power_state_carries_what_the_contract_requires() -> None:
    target = FeedTarget(True, 4e4, NOW, None, best_effort=False, correlation_id=CORRELATION)
    feed = FeedState("main-a", 1e4, 6e4, 6e4, (target,), 3.9e4, False, "periodic", True, NOW)
    event = json.loads(encode_power_state("ballast", [feed], STAMP))
    assert event.keys() >= {
        "specversion", "id", "source", "type", "time", "datacontenttype", "subject", "traceparent",
    }  # fmt: skip
    assert event["specversion"] == "1.0.2"
    assert event["source"] == "//grid/v1/dsx-flex-agent/ballast"
    assert event["type"] == "grid.powerstate.status.v1"
    assert event["time"] == "2030-01-01T12:00:00Z"
    assert event["correlationid"] == str(CORRELATION)
    assert event["data"]["snapshot_time"] == "2030-01-01T12:00:00Z"
    state = event["data"]["feeds"]["main-a"]
    assert state.keys() >= {
        "metadata", "targets", "calculated_load", "in_flight", "event", "compliant",
    }  # fmt: skip
    assert state["metadata"].keys() == {"power_minimum", "power_maximum", "default_constraint"}
    assert state["calculated_load"] == {"value": 39000.0, "unit": "watt"}
    assert state["targets"][0] == {
        "active": True,
        "load_constraint": {"value": 40000.0, "unit": "watt"},
        "interval": {"start_time": "2030-01-01T12:00:00Z"},
        "strategy": {"best_effort": False},
        "correlation_id": str(CORRELATION),
    }


def test_a_breach_alert_carries_what_the_contract_requires() -> None:
    breach = Breach(
        breach_id=EVENT_ID,
        feed_tag="main-a",
        status="active",
        detected_at=NOW,
        correlation_id=CORRELATION,
        limit_w=4e4,
        measured_w=5e4,
        hints=(ShedHint("node-1", 1, 2e3),),
        actions=("SHUTDOWN_NODES",),
    )
    data = json.loads(encode_power_breach("ballast", breach, STAMP))["data"]
    assert data["severity"] == "critical"
    assert data["breach"] == {"breach_id": str(EVENT_ID), "detected_at": "2030-01-01T12:00:00Z"}
    assert data["shed_hints"][0]["target_power"] == {"value": 2000.0, "unit": "watt"}
    assert data["infrastructure_actions"] == ["SHUTDOWN_NODES"]
    over = replace(breach, status="resolved", resolved_at=NOW, measured_w=4.1e4)
    data = json.loads(encode_power_breach("ballast", over, STAMP))["data"]
    assert data["severity"] == "warning"
    assert data["infrastructure_actions"] == []
    assert "shed_hints" not in data
    assert data["breach"]["resolved_at"] == "2030-01-01T12:00:00Z"


def test_our_own_events_are_signed_when_there_is_a_key() -> None:
    event = json.loads(encode_power_state("ballast", [], STAMP, KEY))
    plain = json.loads(verify(event["data"], CONFIG.trusted, "acme"))
    assert plain == {"snapshot_time": "2030-01-01T12:00:00Z", "feeds": {}}
