"""The in-process broker's own rules, beyond those of every transport."""

from integrations.messaging.access import Principal
from integrations.messaging.memory import MemoryBroker, MemoryTransport
from integrations.messaging.transport import Handler, LastWill


class Inbox(list[tuple[str, bytes, bool]]):
    def __call__(self, topic: str, payload: bytes, retained: bool) -> None:
        self.append((topic, payload, retained))


def sending(client: MemoryTransport, topic: str) -> Handler:
    def handle(_topic: str, payload: bytes, _retained: bool) -> None:
        client.publish(topic, payload)

    return handle


def test_messages_arrive_in_the_order_of_publishing_across_clients() -> None:
    broker, inbox = MemoryBroker(), Inbox()
    reader, one, two = (broker.transport(name) for name in ("reader", "one", "two"))
    reader.subscribe("#", inbox)
    for client in (reader, one, two):
        client.start()
    one.publish("a", b"1")
    two.publish("b", b"2")
    one.publish("a", b"3")
    assert inbox == []
    assert broker.deliver() == 3
    assert [payload for _, payload, _ in inbox] == [b"1", b"2", b"3"]


def test_an_immediate_broker_delivers_within_publish_and_in_order() -> None:
    broker, inbox = MemoryBroker(immediate=True), Inbox()
    client = broker.transport("client")
    client.subscribe("ask", sending(client, "answer"))
    client.subscribe("#", inbox)
    client.start()
    client.publish("ask", b"")
    assert [topic for topic, _, _ in inbox] == ["ask", "answer"]


def test_a_bounded_delivery_leaves_the_rest_waiting() -> None:
    broker = MemoryBroker()
    client = broker.transport("client")
    client.subscribe("echo", sending(client, "echo"))
    client.start()
    client.publish("echo", b"")
    assert broker.deliver(limit=10) == 10
    assert broker.waiting == 1


def test_what_waits_for_a_lost_connection_is_lost_with_it() -> None:
    broker, inbox = MemoryBroker(), Inbox()
    client, other = broker.transport("client"), broker.transport("other")
    client.subscribe("news", inbox)
    client.start()
    other.start()
    other.publish("news", b"stale")
    client.disconnect()
    client.reconnect()
    other.publish("news", b"fresh")
    broker.deliver()
    assert inbox == [("news", b"fresh", False)]


def test_a_silent_disconnect_leaves_no_will_and_a_drop_does() -> None:
    broker = MemoryBroker()
    client = broker.transport("client", will=LastWill(topic="state", payload=b"gone"))
    client.start()
    client.disconnect()
    assert broker.retained == {}
    client.reconnect()
    client.drop()
    assert broker.retained == {"state": b"gone"}


def test_a_forbidden_will_is_dropped() -> None:
    broker = MemoryBroker()
    powerless = Principal("powerless", publish=(), subscribe=())
    will = LastWill(topic="state", payload=b"forged")
    client = broker.transport("client", will=will, principal=powerless)
    client.start()
    client.drop()
    assert broker.retained == {}
