"""Signals tighten at once, are stored before they loosen, and are never taken twice."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from integrations.grid.dsx_flex import TargetRequest, load_target_event, load_target_topic
from integrations.grid.dsx_flex_envelope import Stamp
from orchestrator.domain.signals import SignalKey
from orchestrator.messages import SignalCancelled, SignalReceived
from orchestrator.services import intake_queue
from tests.api_bench import ApiBench, envelope
from tests.recording_control import NOON

KEY = SignalKey("utility", "dr-17")
TOPIC = "ballast/v1/lab/signals/utility"
DSX_TOPIC = load_target_topic("acme")


def raw(**changes: Any) -> bytes:
    return json.dumps(envelope(**changes)).encode()


def stored_flags(bench: ApiBench) -> list[bool]:
    return [item.stored for item in bench.control.inputs if isinstance(item, SignalReceived)]


def load_target(number: int, limit_w: float | None, at_s: float = 0) -> bytes:
    stamp = Stamp(UUID(int=number), NOON + timedelta(seconds=at_s))
    return load_target_event("acme", [TargetRequest(limit_w, ["main-a"])], stamp)


def test_control_hears_before_the_database_and_again_after_it(bench: ApiBench) -> None:
    response = bench.client().post("/api/v1/signals", json=envelope())
    assert response.status_code == 201
    assert response.json()["signal"]["value"] == 10_000
    assert stored_flags(bench) == [False, True]
    assert bench.signals.standing(NOON) == [bench.control.signals[KEY]]


def test_a_repeat_is_answered_and_changes_nothing(bench: ApiBench) -> None:
    client = bench.client()
    client.post("/api/v1/signals", json=envelope())
    heard = len(bench.control.inputs)
    repeat = client.post("/api/v1/signals", content=json.dumps(envelope(), indent=4).encode())
    assert (repeat.status_code, repeat.json()["taken"]) == (200, "repeated")
    assert len(bench.control.inputs) == heard


def test_the_same_id_with_other_content_conflicts_and_changes_nothing(bench: ApiBench) -> None:
    client = bench.client()
    client.post("/api/v1/signals", json=envelope())
    heard = len(bench.control.inputs)
    other = client.post("/api/v1/signals", json=envelope(payload={"value": 1, "unit": "kW"}))
    assert other.status_code == 409
    assert "other content" in other.json()["detail"]
    assert len(bench.control.inputs) == heard


def test_a_replay_after_a_restart_and_a_withdrawal_does_not_bring_a_signal_back(
    bench: ApiBench,
) -> None:
    bench.client().post("/api/v1/signals", json=envelope())
    bench.ingest.cancel(KEY, "ada", NOON)
    again = bench.new_ingest()
    again.on_signal_message(TOPIC, raw())
    again.queue.work_off()
    assert KEY not in bench.control.signals
    assert bench.signals.standing(NOON) == []


def test_control_is_set_right_when_only_the_database_remembers(bench: ApiBench) -> None:
    """Without memory the replay tightens for a moment, until the database knows better."""
    bench.client().post("/api/v1/signals", json=envelope())
    bench.ingest.cancel(KEY, "ada", NOON)
    forgetful = bench.new_ingest()
    forgetful._known.clear()
    forgetful.on_signal_message(TOPIC, raw())
    forgetful.queue.work_off()
    assert KEY not in bench.control.signals


def test_with_the_database_away_a_signal_tightens_and_is_stored_later(bench: ApiBench) -> None:
    bench.signals.away = True
    response = bench.client().post("/api/v1/signals", json=envelope())
    assert (response.status_code, response.json()["taken"]) == (202, "waiting")
    assert stored_flags(bench) == [False]
    assert bench.client().post("/api/v1/signals", json=envelope()).status_code == 202
    bench.signals.away = False
    bench.ingest.queue.work_off()
    assert stored_flags(bench) == [False, True]
    assert [signal.key for signal in bench.signals.standing(NOON)] == [KEY]


def test_a_withdrawal_is_refused_while_it_cannot_be_stored(bench: ApiBench) -> None:
    client = bench.client()
    client.post("/api/v1/signals", json=envelope())
    bench.signals.away = True
    assert client.delete("/api/v1/signals/utility/dr-17").status_code == 503
    assert KEY in bench.control.signals
    bench.signals.away = False
    assert client.delete("/api/v1/signals/utility/dr-17").status_code == 204
    assert KEY not in bench.control.signals
    assert bench.signals.standing(NOON) == []


def test_a_signal_that_waits_can_be_withdrawn_once_the_database_is_back(bench: ApiBench) -> None:
    bench.signals.away = True
    client = bench.client()
    client.post("/api/v1/signals", json=envelope())
    assert client.delete("/api/v1/signals/utility/dr-17").status_code == 503
    bench.signals.away = False
    assert client.delete("/api/v1/signals/utility/dr-17").status_code == 204
    assert KEY not in bench.control.signals


def test_a_full_queue_refuses_and_takes_the_tightening_back(
    bench: ApiBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_queue, "CAPACITY", 1)
    bench.signals.away = True
    client = bench.client()
    assert client.post("/api/v1/signals", json=envelope(id="a")).status_code == 202
    assert client.post("/api/v1/signals", json=envelope(id="b")).status_code == 503
    assert [key.id for key in bench.control.signals] == ["a"]
    bench.signals.away = False
    bench.ingest.queue.work_off()
    assert client.post("/api/v1/signals", json=envelope(id="b")).status_code == 201


def test_a_signal_of_a_sender_whose_clock_runs_fast_starts_now(bench: ApiBench) -> None:
    changes = envelope(issued_at="2030-01-01T12:00:30Z")
    assert bench.client().post("/api/v1/signals", json=changes).status_code == 201
    assert bench.control.signals[KEY].starts_at == NOON


def test_a_message_over_mqtt_tightens_without_waiting_for_the_database(bench: ApiBench) -> None:
    bench.signals.away = True
    bench.ingest.on_signal_message(TOPIC, raw())
    assert stored_flags(bench) == [False]
    bench.signals.away = False
    bench.ingest.queue.work_off()
    assert stored_flags(bench) == [False, True]


def test_the_worker_stores_what_came_over_mqtt(bench: ApiBench) -> None:
    bench.ingest.start()
    bench.ingest.on_signal_message(TOPIC, raw())
    bench.ingest.stop()
    assert [signal.key for signal in bench.signals.standing(NOON)] == [KEY]


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        (TOPIC, b"\xff", "not JSON"),
        (TOPIC, raw(source="stranger"), "came on the topic of"),
        ("ballast/v1/lab/signals/operator", raw(source="operator"), "sign in"),
        ("ballast/v1/lab/signals/dsx-acme", raw(source="dsx-acme"), "reserved"),
        ("elsewhere", raw(), "topic"),
        (TOPIC, raw(payload={"value": 1, "unit": "kW", "limit_id": "rack-z"}), "unknown limit"),
    ],
)
def test_a_bad_message_over_mqtt_is_kept_and_changes_nothing(
    bench: ApiBench, topic: str, payload: bytes, said: str
) -> None:
    bench.ingest.on_signal_message(topic, payload)
    bench.ingest.queue.work_off()
    assert bench.control.inputs == []
    (line,) = bench.audit.list()
    assert line.action == "signal.rejected"
    assert said in line.detail


def test_a_dead_letter_keeps_a_bounded_piece_of_the_body(bench: ApiBench) -> None:
    bench.ingest.on_signal_message(TOPIC, b"\x00" * 100_000)
    bench.ingest.queue.work_off()
    (line,) = bench.audit.list()
    assert len(line.detail) < 10_000
    assert "\0" not in line.detail


def test_a_load_target_becomes_a_limit_and_the_next_one_replaces_it(bench: ApiBench) -> None:
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, 12_000))
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(2, 11_000, at_s=1))
    bench.ingest.queue.work_off()
    assert {s.value: s.limit_id for s in bench.signals.standing(NOON)} == {
        12_000: "site",
        11_000: "site",
    }
    assert all(key.source == "dsx-acme" for key in bench.control.signals)


def test_a_load_target_of_null_withdraws_what_its_source_asked_before(bench: ApiBench) -> None:
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, 12_000))
    bench.client().post("/api/v1/signals", json=envelope())
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(2, None, at_s=1))
    bench.ingest.queue.work_off()
    assert [signal.key for signal in bench.signals.standing(NOON)] == [KEY]
    assert list(bench.control.signals) == [KEY]
    assert any(isinstance(item, SignalCancelled) for item in bench.control.inputs)


def test_a_late_withdrawal_does_not_touch_a_newer_target(bench: ApiBench) -> None:
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(2, 12_000, at_s=2))
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, None, at_s=1))
    bench.ingest.queue.work_off()
    assert [signal.value for signal in bench.signals.standing(NOON)] == [12_000]


def test_withdrawals_wait_for_the_database_before_they_loosen(bench: ApiBench) -> None:
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, 12_000))
    bench.ingest.queue.work_off()
    bench.signals.away = True
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(2, None, at_s=1))
    bench.ingest.queue.work_off()
    assert len(bench.control.signals) == 1
    bench.signals.away = False
    bench.ingest.queue.work_off()
    assert bench.control.signals == {}


def test_a_redelivered_load_target_changes_nothing(bench: ApiBench) -> None:
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, 12_000))
    bench.ingest.queue.work_off()
    heard = len(bench.control.inputs)
    bench.ingest.on_dsx_message(DSX_TOPIC, load_target(1, 12_000))
    bench.ingest.queue.work_off()
    assert len(bench.control.inputs) == heard


def test_an_unknown_feed_is_refused(bench: ApiBench) -> None:
    stamp = Stamp(UUID(int=1), NOON)
    bench.ingest.on_dsx_message(
        DSX_TOPIC, load_target_event("acme", [TargetRequest(1e4, ["cellar"])], stamp)
    )
    bench.ingest.queue.work_off()
    assert bench.control.inputs == []
    assert "known ones are main-a" in bench.audit.list()[0].detail


def test_other_content_that_only_the_database_knows_of_is_taken_back(bench: ApiBench) -> None:
    bench.ingest.on_signal_message(TOPIC, raw(id="a"))
    bench.ingest.on_signal_message(TOPIC, raw(id="b"))
    bench.ingest._forget(SignalKey("utility", "a"))
    bench.ingest.on_signal_message(TOPIC, raw(id="a", payload={"value": 9, "unit": "kW"}))
    bench.ingest.queue.work_off()
    assert [signal.key.id for signal in bench.signals.standing(NOON)] == ["a", "b"]
    assert bench.control.signals[SignalKey("utility", "a")].value == 10_000
    assert "other content" in bench.audit.list()[0].detail
