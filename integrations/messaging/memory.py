"""A broker and its clients in one process: deterministic, without threads or sockets."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from integrations.messaging.access import Principal
from integrations.messaging.filters import check_topic, matches
from integrations.messaging.transport import Handler, LastWill, Subscriptions, guarded


@dataclass(frozen=True)
class _Delivery:
    client: "MemoryTransport"
    session: int
    topic: str
    payload: bytes
    retained: bool


class MemoryBroker:
    """Routes messages in the order of publishing.

    Messages wait until `deliver` is called or, with `immediate`, are handed over within `publish`.
    Sessions are clean: what waits for a client that loses its connection is lost. Like Mosquitto it
    grants forbidden subscriptions and takes forbidden publications, and drops both silently. Not
    safe for use from several threads.
    """

    def __init__(self, *, immediate: bool = False) -> None:
        self._immediate = immediate
        self._delivering = False
        self._running = True
        self._clients: list[MemoryTransport] = []
        self._retained: dict[str, bytes] = {}
        self._waiting: deque[_Delivery] = deque()

    def transport(
        self, client_id: str, *, will: LastWill | None = None, principal: Principal | None = None
    ) -> "MemoryTransport":
        """A new client; without a principal it may publish and subscribe everywhere."""
        client = MemoryTransport(self, client_id, will=will, principal=principal)
        self._clients.append(client)
        return client

    @property
    def running(self) -> bool:
        """Whether clients can connect."""
        return self._running

    @property
    def retained(self) -> dict[str, bytes]:
        """A copy of the retained messages by topic."""
        return dict(self._retained)

    @property
    def waiting(self) -> int:
        """How many deliveries wait."""
        return len(self._waiting)

    def deliver(self, limit: int = 100_000) -> int:
        """Hand over waiting messages, and those published meanwhile; at most `limit` of them.

        Returns how many reached a client. A call from within a handler does nothing.
        """
        if self._delivering:
            return 0
        self._delivering, delivered = True, 0
        try:
            while self._waiting and delivered < limit:
                delivered += self._hand_over(self._waiting.popleft())
        finally:
            self._delivering = False
        return delivered

    def stop(self) -> None:
        """End like a killed broker: no wills; retained messages survive."""
        self._running = False
        self._waiting.clear()
        for client in self._clients:
            client.disconnect()

    def start(self) -> None:
        """Come back; every started client connects again."""
        self._running = True
        for client in self._clients:
            client.reconnect()

    def route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Queue a permitted message for every subscriber; an empty retained payload forgets."""
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        for client in self._clients:
            if client.connected and any(matches(pattern, topic) for pattern in client.filters):
                self._queue(client, topic, payload, retained=False)
        self._settle()

    def replay(self, client: "MemoryTransport", pattern: str) -> None:
        """Queue the retained messages that a new subscription selects."""
        for topic, payload in self._retained.items():
            if matches(pattern, topic):
                self._queue(client, topic, payload, retained=True)
        self._settle()

    def _queue(
        self, client: "MemoryTransport", topic: str, payload: bytes, *, retained: bool
    ) -> None:
        if client.may_read(topic):
            self._waiting.append(_Delivery(client, client.session, topic, payload, retained))

    def _settle(self) -> None:
        if self._immediate:
            self.deliver()

    @staticmethod
    def _hand_over(message: _Delivery) -> bool:
        client = message.client
        if not client.connected or client.session != message.session:
            return False
        client.receive(message.topic, message.payload, retained=message.retained)
        return True


class MemoryTransport:
    """A client of a MemoryBroker; made by `MemoryBroker.transport`."""

    def __init__(
        self,
        broker: MemoryBroker,
        client_id: str,
        *,
        will: LastWill | None,
        principal: Principal | None,
    ) -> None:
        self.client_id = client_id
        self.denied = 0
        self.session = 0
        self._broker = broker
        self._will = will
        self._principal = principal
        self._started = False
        self._connected = False
        self._subscriptions = Subscriptions()
        self._callbacks: list[Callable[[], None]] = []

    def start(self) -> None:
        """Connect now if the broker runs, else when it comes back."""
        self._started = True
        self.reconnect()

    def stop(self, timeout_s: float = 2.0) -> None:  # noqa: ARG002  there is nothing to wait for
        """Leave cleanly: no last will."""
        self._started = self._connected = False

    @property
    def connected(self) -> bool:
        """Whether the client has a session with the broker."""
        return self._connected

    @property
    def filters(self) -> dict[str, int]:
        """The subscribed filters and their QoS."""
        return self._subscriptions.filters()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:  # noqa: ARG002
        """Send a message; False when not connected. A denied message is dropped silently."""
        check_topic(topic)
        if not self._connected:
            return False
        self._publish(topic, payload, retain=retain)
        return True

    def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0) -> None:
        """Call the handler for every message that the filter selects, now and after reconnects."""
        self._subscriptions.add(pattern, handler, qos)
        if self._connected:
            self._broker.replay(self, pattern)

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Call back on every connect, after the subscriptions were sent."""
        self._callbacks.append(callback)

    def drop(self) -> None:
        """Die without a goodbye: the broker notices and publishes the last will."""
        if self._connected:
            self.disconnect()
            if self._will:
                self._publish(self._will.topic, self._will.payload, retain=self._will.retain)

    def disconnect(self) -> None:
        """Lose the link without the broker's noticing: no will, nothing sent or received."""
        self._connected = False

    def reconnect(self) -> None:
        """Connect again with a clean session, renewing the subscriptions."""
        if self._connected or not self._started or not self._broker.running:
            return
        self._connected = True
        self.session += 1
        for pattern in self.filters:
            self._broker.replay(self, pattern)
        for callback in self._callbacks:
            guarded(callback)

    def may_read(self, topic: str) -> bool:
        """Whether the broker hands this client messages of the topic."""
        return self._principal is None or self._principal.may_read(topic)

    def receive(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take one message from the broker."""
        self._subscriptions.dispatch(topic, payload, retained=retained)

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if self._principal is None or self._principal.may_write(topic):
            self._broker.route(topic, payload, retain=retain)
