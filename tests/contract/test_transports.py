"""What every transport promises, over memory, the embedded broker and Mosquitto."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from integrations.messaging.transport import LastWill
from tests.contract.transport_benches import (
    BASE,
    PRINCIPALS,
    Bench,
    Inbox,
    MemoryBench,
    MqttBench,
    NatsBench,
    Transport,
    bench_of,
    eventually,
)

KINDS = ["memory", "nats", pytest.param("mosquitto", marks=pytest.mark.mosquitto)]
GONE = LastWill(topic=f"{BASE}/nodes/node-a/state", payload=b"gone")


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=KINDS[1:])
def mqtt_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MqttBench]:
    with bench_of(request.param, tmp_path) as made:
        assert not isinstance(made, MemoryBench)
        yield made


def started(bench: Bench, role: str, *, will: LastWill | None = None) -> Transport:
    client = bench.client(role, will=will)
    client.start()
    eventually(bench, lambda: bench.ready(client))
    return client


def listening(bench: Bench, role: str, pattern: str, *, qos: int = 0) -> tuple[Transport, Inbox]:
    """Return a client and its inbox once the broker has answered the subscription."""
    client, inbox = bench.client(role), Inbox()
    client.subscribe(pattern, inbox, qos=qos)
    client.start()
    eventually(bench, lambda: bench.ready(client))
    return client, inbox


@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_reaches_every_handler_whose_filter_selects_it(bench: Bench, qos: int) -> None:
    server, telemetry = listening(bench, "orchestrator", f"{BASE}/nodes/+/telemetry", qos=qos)
    acks = Inbox()
    server.subscribe(f"{BASE}/nodes/+/ack", acks, qos=qos)
    eventually(bench, lambda: bench.ready(server))
    node = started(bench, "node-a")
    assert node.publish(f"{BASE}/nodes/node-a/telemetry", b"42 W", qos=qos)
    assert node.publish(f"{BASE}/nodes/node-a/ack", b"\x00\xff", qos=qos)
    eventually(bench, lambda: acks.messages and telemetry.messages)
    assert acks.messages == [(f"{BASE}/nodes/node-a/ack", b"\x00\xff", False)]
    assert telemetry.messages == [(f"{BASE}/nodes/node-a/telemetry", b"42 W", False)]


def test_a_retained_message_reaches_late_subscribers_marked_as_retained(bench: Bench) -> None:
    node, topic = started(bench, "node-a"), f"{BASE}/nodes/node-a/desc"
    assert node.publish(topic, b"first", qos=1, retain=True)
    assert node.publish(topic, b"second", qos=1, retain=True)
    server = started(bench, "orchestrator")
    inbox = Inbox()
    server.subscribe(f"{BASE}/nodes/+/desc", inbox, qos=1)
    eventually(bench, lambda: b"second" in inbox and bench.ready(server))
    assert inbox.messages[-1] == (topic, b"second", True)
    node.publish(topic, b"third", qos=1, retain=True)
    eventually(bench, lambda: b"third" in inbox)
    assert inbox.messages[-1] == (topic, b"third", False)


def test_an_empty_retained_message_is_forgotten(bench: Bench) -> None:
    node, base = started(bench, "node-a"), f"{BASE}/nodes/node-a"
    node.publish(f"{base}/desc", b"old", qos=1, retain=True)
    node.publish(f"{base}/desc", b"", qos=1, retain=True)
    node.publish(f"{base}/state", b"new", qos=1, retain=True)
    server, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/state")
    eventually(bench, lambda: b"new" in inbox)
    server.subscribe(f"{BASE}/nodes/+/desc", inbox)
    eventually(bench, lambda: bench.ready(server))
    node.publish(f"{base}/state", b"canary", qos=1)
    eventually(bench, lambda: b"canary" in inbox)
    assert b"old" not in inbox


def test_a_client_that_vanishes_leaves_its_last_will(bench: Bench) -> None:
    _, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/state", qos=1)
    node = started(bench, "node-a", will=GONE)
    bench.drop(node)
    eventually(bench, lambda: b"gone" in inbox and not node.connected)
    _, late = listening(bench, "orchestrator", f"{BASE}/nodes/+/state")
    eventually(bench, lambda: late.messages)
    assert late.messages == [(GONE.topic, b"gone", True)]


def test_a_client_that_stops_cleanly_leaves_no_last_will(bench: Bench) -> None:
    _, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/state", qos=1)
    node = started(bench, "node-a", will=GONE)
    assert node.publish(f"{BASE}/nodes/node-a/state", b"leaving", qos=1, retain=True)
    node.stop()
    assert not node.connected
    other = started(bench, "node-b")
    eventually(bench, lambda: b"leaving" in inbox)
    other.publish(f"{BASE}/nodes/node-b/state", b"canary", qos=1)
    eventually(bench, lambda: b"canary" in inbox)
    assert b"gone" not in inbox


def test_clients_come_back_by_themselves_with_their_subscriptions(bench: Bench) -> None:
    server, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/ack", qos=1)
    node, connects = bench.client("node-a"), []
    node.on_connect(lambda: connects.append(node.connected))
    node.start()
    eventually(bench, lambda: connects)
    bench.stop_broker()
    eventually(bench, lambda: not node.connected and not server.connected)
    assert not node.publish(f"{BASE}/nodes/node-a/ack", b"stale", qos=1)
    bench.start_broker()
    eventually(bench, lambda: bench.ready(node) and bench.ready(server))
    node.publish(f"{BASE}/nodes/node-a/ack", b"fresh", qos=1)
    eventually(bench, lambda: b"fresh" in inbox)
    assert connects == [True, True]
    assert b"stale" not in inbox


def test_nothing_published_before_connecting_is_sent_later(bench: Bench) -> None:
    _, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/ack", qos=1)
    node = bench.client("node-a")
    assert not node.publish(f"{BASE}/nodes/node-a/ack", b"early", qos=1)
    node.start()
    eventually(bench, lambda: node.connected)
    node.publish(f"{BASE}/nodes/node-a/ack", b"canary", qos=1)
    eventually(bench, lambda: b"canary" in inbox)
    assert b"early" not in inbox


def test_a_node_cannot_publish_as_another(bench: Bench) -> None:
    _, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/state")
    node_b = started(bench, "node-b")
    assert node_b.publish(f"{BASE}/nodes/node-a/state", b"forged", retain=True)
    assert node_b.publish(f"{BASE}/nodes/node-b/state", b"canary")
    eventually(bench, lambda: b"canary" in inbox)
    assert b"forged" not in inbox
    late, later = listening(bench, "orchestrator", f"{BASE}/nodes/node-a/state")
    node_a = started(bench, "node-a")
    eventually(bench, lambda: node_a.publish(f"{BASE}/nodes/node-a/state", b"own"))
    eventually(bench, lambda: b"own" in later)
    assert late.connected
    assert b"forged" not in later


@pytest.mark.parametrize("leaf", ["nodes/node-a/setpoint", "nodes/+/setpoint", "#"])
def test_a_node_cannot_read_the_setpoints_of_another(bench: Bench, leaf: str) -> None:
    node_b, own = listening(bench, "node-b", f"{BASE}/nodes/node-b/setpoint", qos=1)
    foreign = Inbox()
    node_b.subscribe(f"{BASE}/{leaf}", foreign, qos=1)
    eventually(bench, lambda: bench.ready(node_b))
    server = started(bench, "orchestrator")
    server.publish(f"{BASE}/nodes/node-a/setpoint", b"secret", qos=1)
    server.publish(f"{BASE}/nodes/node-b/setpoint", b"canary", qos=1)
    eventually(bench, lambda: b"canary" in own)
    assert b"secret" not in foreign
    assert b"secret" not in own


def test_a_handler_that_fails_is_logged_and_the_next_message_arrives(bench: Bench) -> None:
    def fail(topic: str, payload: bytes, retained: bool) -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        server, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/state")
        server.subscribe(f"{BASE}/nodes/+/ack", fail)
        eventually(bench, lambda: bench.ready(server))
        node = started(bench, "node-a")
        node.publish(f"{BASE}/nodes/node-a/ack", b"poison")
        node.publish(f"{BASE}/nodes/node-a/state", b"next")
        eventually(bench, lambda: b"next" in inbox)
    assert [entry["log_level"] for entry in logs if "callback" in entry] == ["error"]


def test_a_handler_may_publish_an_answer(bench: Bench) -> None:
    node = bench.client("node-a")
    ack = f"{BASE}/nodes/node-a/ack"
    node.subscribe(f"{BASE}/nodes/node-a/setpoint", lambda *_: _answer(node, ack), qos=1)
    node.start()
    server, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/ack", qos=1)
    eventually(bench, lambda: node.connected)
    server.publish(f"{BASE}/nodes/node-a/setpoint", b"do", qos=1)
    eventually(bench, lambda: b"done" in inbox)


def _answer(node: Transport, topic: str) -> None:
    node.publish(topic, b"done", qos=1)


def test_an_id_with_a_dot_keeps_its_rights_and_its_borders(bench: Bench) -> None:
    _, inbox = listening(bench, "orchestrator", "grid/v1/isv/+/loadtarget/set", qos=1)
    feed = started(bench, "feed")
    feed.publish("grid/v1/isv/isv/loadtarget/set", b"forged", qos=1)
    feed.publish("grid/v1/isv/isv/example-1/loadtarget/set", b"forged", qos=1)
    feed.publish("grid/v1/isv/isv.example-1/loadtarget/set", b"target", qos=1)
    eventually(bench, lambda: b"target" in inbox)
    assert inbox.messages == [("grid/v1/isv/isv.example-1/loadtarget/set", b"target", False)]


def test_a_wrong_password_is_refused_and_said_once(mqtt_bench: MqttBench) -> None:
    with capture_logs() as logs:
        stranger = mqtt_bench.client_with(PRINCIPALS["node-a"], "not-the-secret")
        stranger.start()
        eventually(mqtt_bench, lambda: [log for log in logs if log["log_level"] == "warning"])
        known = started(mqtt_bench, "node-a")
        assert not stranger.connected
        assert not stranger.publish(f"{BASE}/nodes/node-a/ack", b"x")
        stranger.stop()
    warnings = [log["event"] for log in logs if log["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "refused user 'hall-1_node_node-a'" in warnings[0]
    assert f"127.0.0.1:{mqtt_bench.port}" in warnings[0]
    assert known.connected


def test_a_broker_that_is_away_is_said_once_and_found_when_it_comes(mqtt_bench: MqttBench) -> None:
    mqtt_bench.stop_broker()
    with capture_logs() as logs:
        node = mqtt_bench.client("node-a")
        node.start()
        eventually(mqtt_bench, lambda: [log for log in logs if log["log_level"] == "warning"])
        assert not node.connected
        mqtt_bench.start_broker()
        eventually(mqtt_bench, lambda: node.connected)
    warnings = [log["event"] for log in logs if log["log_level"] == "warning"]
    assert len(warnings) == 1
    assert f"no MQTT broker answers at mqtt://127.0.0.1:{mqtt_bench.port}" in warnings[0]


def test_a_refused_subscription_is_counted_and_said(tmp_path: Path) -> None:
    with bench_of("nats", tmp_path) as bench, capture_logs() as logs:
        assert isinstance(bench, NatsBench)
        node = bench.client("node-b")
        node.subscribe(f"{BASE}/nodes/+/setpoint", Inbox(), qos=1)
        node.start()
        eventually(bench, lambda: node.denied)
    refused = [log for log in logs if log.get("filter") == f"{BASE}/nodes/+/setpoint"]
    assert [log["log_level"] for log in refused] == ["warning"]


def test_the_memory_broker_needs_no_patience() -> None:
    bench = MemoryBench()
    server, inbox = listening(bench, "orchestrator", f"{BASE}/nodes/+/ack")
    node = started(bench, "node-a")
    node.publish(f"{BASE}/nodes/node-a/ack", b"1")
    assert server.connected
    assert inbox.messages == []
    bench.pump()
    assert b"1" in inbox
