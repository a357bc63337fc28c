"""Alarms over HTTP and MQTT: they hold until they are cleared, and a minute more."""

import json
from datetime import timedelta
from typing import Any

from orchestrator.domain.signals import SignalKey
from orchestrator.messages import SignalReceived
from tests.api_bench import ApiBench, envelope
from tests.recording_control import NOON

TOPIC = "ballast/v1/lab/signals/bms"
KEY = SignalKey("bms", "dr-17")


def alarm(**payload: Any) -> bytes:
    content = envelope(source="bms", kind="alarm", payload={"alarm": "cooling", **payload})
    return json.dumps(content).encode()


def test_an_operator_raises_and_clears_an_alarm(bench: ApiBench) -> None:
    client = bench.client()
    raised = client.post("/api/v1/alarms", json={"alarm": "ups_on_battery"})
    assert raised.status_code == 201
    found = raised.json()
    assert (found["alarm"], found["limit_id"], found["value"]) == ("ups_on_battery", "site", 8000)
    (listed,) = client.get("/api/v1/alarms").json()
    assert listed == found
    key = SignalKey("operator", found["key"]["id"])
    assert client.delete(f"/api/v1/alarms/{key.source}/{key.id}").status_code == 204
    ends_at = NOON + timedelta(seconds=60)
    assert bench.control.signals[key].ends_at == ends_at
    assert [signal.ends_at for signal in bench.signals.standing(NOON)] == [ends_at]


def test_clearing_twice_does_not_hold_it_longer(bench: ApiBench) -> None:
    bench.client().post("/api/v1/alarms", json={"alarm": "breaker", "limit_id": "rack-a"})
    (stored,) = bench.signals.standing(NOON)
    bench.ingest.cancel(stored.key, "ada", NOON)
    bench.ingest.cancel(stored.key, "ada", NOON + timedelta(seconds=30))
    (again,) = bench.signals.standing(NOON)
    assert again.ends_at == NOON + timedelta(seconds=60)


def test_a_feed_raises_alarms_of_its_source_and_clears_no_others(bench: ApiBench) -> None:
    feed = bench.client("feed:bms")
    raised = feed.post("/api/v1/alarms", json={"alarm": "cooling"})
    assert (raised.status_code, raised.json()["key"]["source"]) == (201, "bms")
    other = bench.client().post("/api/v1/alarms", json={"alarm": "cooling"}).json()["key"]["id"]
    assert feed.delete(f"/api/v1/alarms/operator/{other}").status_code == 403
    mine = raised.json()["key"]["id"]
    assert feed.delete(f"/api/v1/alarms/bms/{mine}").status_code == 204
    assert (
        bench.client("viewer").post("/api/v1/alarms", json={"alarm": "cooling"}).status_code == 403
    )


def test_over_mqtt_it_sheds_before_it_is_stored_and_is_cleared_by_its_source(
    bench: ApiBench,
) -> None:
    bench.ingest.on_signal_message(TOPIC, alarm(limit_id="rack-a"))
    heard = [i for i in bench.control.inputs if isinstance(i, SignalReceived)]
    assert [item.stored for item in heard] == [False]
    bench.ingest.queue.work_off()
    over = json.loads(alarm(cleared=True)) | {"id": "dr-18"}
    bench.ingest.on_signal_message(TOPIC, json.dumps(over).encode())
    bench.ingest.queue.work_off()
    assert bench.control.signals[KEY].ends_at == NOON + timedelta(seconds=60)


def test_one_alarm_that_is_cleared_leaves_another_kind_standing(bench: ApiBench) -> None:
    bench.ingest.on_signal_message(TOPIC, alarm())
    over = json.loads(alarm()) | {"payload": {"alarm": "breaker", "cleared": True}, "id": "x"}
    bench.ingest.on_signal_message(TOPIC, json.dumps(over).encode())
    bench.ingest.queue.work_off()
    assert bench.control.signals[KEY].ends_at is None


def test_an_unknown_alarm_is_refused_by_name(bench: ApiBench) -> None:
    assert bench.client().post("/api/v1/alarms", json={"alarm": "flood"}).status_code == 422
    unknown = {"alarm": "cooling", "limit_id": "rack-9"}
    refused = bench.client().post("/api/v1/alarms", json=unknown)
    assert (refused.status_code, "rack-9" in refused.json()["detail"]) == (422, True)
