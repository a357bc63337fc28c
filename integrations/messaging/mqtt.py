"""MQTT 3.1.1 transport that connects in the background and comes back by itself."""

import re
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

import structlog

from integrations.messaging.backoff import Backoff
from integrations.messaging.filters import check_topic
from integrations.messaging.link import Link
from integrations.messaging.transport import (
    Handler,
    LastWill,
    MqttAddress,
    Subscriptions,
    guarded,
)
from orchestrator.domain.errors import (
    AccessDenied,
    BallastError,
    BrokerUnavailable,
    ConfigurationError,
)

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_KEEPALIVE_S = 10
_POLL_S = 0.5
_GOODBYE_S = 1.0
_STEADY_S = 5.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Outage:
    """Says each kind of trouble once while it lasts."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._said: set[type[BallastError]] = set()

    def say(self, error: BallastError) -> None:
        if type(error) not in self._said:
            self._said.add(type(error))
            _log.warning(f"{error}; trying again until it works", client_id=self._client_id)


class MqttTransport:
    """A client of an MQTT broker.

    Sessions are clean and nothing is queued while the broker is away, so that no stale command
    arrives later. Handlers and connect callbacks run on the connection's thread, one at a time;
    they may publish and subscribe, and should be quick. Two clients must not share a client id:
    a broker ends the older one.
    """

    def __init__(
        self,
        address: MqttAddress,
        *,
        client_id: str,
        will: LastWill | None = None,
        backoff: Backoff | None = None,
        keepalive_s: int = _KEEPALIVE_S,
    ) -> None:
        if not _CLIENT_ID.fullmatch(client_id):
            raise ConfigurationError(
                f"MQTT client id {client_id!r} must be 1 to 200 letters, digits, - or _: brokers"
                " refuse others"
            )
        self._address = address
        self._client_id = client_id
        self._will = will
        self._backoff = backoff or Backoff()
        self._keepalive_s = keepalive_s
        self._tls = _trust(address.tls_ca) if address.tls_ca else None
        self._subscriptions = Subscriptions()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = Lock()
        self._link: Link | None = None
        self._denied = 0
        self._stopping = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Connect in the background and stay connected until `stop`; harmless when started."""
        if self._thread is None:
            self._stopping = Event()
            self._thread = Thread(
                target=self._run,
                args=(self._stopping,),
                name=f"mqtt-{self._client_id}",
                daemon=True,
            )
            self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is queued, say goodbye (no last will) and return within the timeout."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        link = self._link
        if link:
            link.say_goodbye()
        thread.join(timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this client and the connection stands."""
        return self._link is not None

    @property
    def denied(self) -> int:
        """How many subscriptions the broker has refused; some brokers refuse silently."""
        return self._denied

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand a message to the connection without waiting.

        False when there is no connection or its queue is full: the message is gone. True does not
        mean delivered. InvalidMessage when the topic holds a wildcard.
        """
        check_topic(topic)
        link = self._link
        return link is not None and link.publish(topic, payload, qos=qos, retain=retain)

    def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0) -> None:
        """Call the handler for every message that the filter selects, now and after reconnects."""
        with self._lock:
            self._subscriptions.add(pattern, handler, qos)
            if self._link:
                self._link.subscribe({pattern: self._subscriptions.filters()[pattern]})

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Call back on every connect, after the subscriptions were sent."""
        self._callbacks.append(callback)

    def _run(self, stopping: Event) -> None:
        failures, outage = 0, _Outage(self._client_id)
        while not stopping.is_set():
            try:
                steady = self._serve(stopping)
                failures, outage = 1 if steady else failures + 1, _Outage(self._client_id)
                if not stopping.is_set():
                    outage.say(BrokerUnavailable(f"lost the MQTT broker at {self._address.url}"))
            except (BrokerUnavailable, AccessDenied) as error:
                failures += 1
                outage.say(error)
            stopping.wait(self._backoff.wait_s(failures))

    def _serve(self, stopping: Event) -> bool:
        """Live through one connection; whether it lasted long enough to count as healthy."""
        link = Link(
            self._address,
            client_id=self._client_id,
            keepalive_s=self._keepalive_s,
            will=self._will,
            tls=self._tls,
            opened=self._opened,
            received=self._received,
            refused=self._refused,
        )
        polls = 0
        try:
            link.open()
            while not stopping.is_set() and not link.closed_within(_POLL_S):
                polls += 1
        finally:
            self._detach(link)
        link.say_goodbye()
        link.close(_GOODBYE_S)
        return polls * _POLL_S >= _STEADY_S

    def _detach(self, link: Link) -> None:
        with self._lock:
            if self._link is link:
                self._link = None

    def _opened(self, link: Link) -> None:
        with self._lock:
            link.subscribe(self._subscriptions.filters())
            self._link = link
        _log.info(
            "connected to the MQTT broker", broker=self._address.url, client_id=self._client_id
        )
        for callback in self._callbacks:
            guarded(callback)

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        self._subscriptions.dispatch(topic, payload, retained=retained)

    def _refused(self, pattern: str) -> None:
        self._denied += 1
        _log.warning(
            "the MQTT broker refused a subscription: check this user's permissions",
            filter=pattern,
            user=self._address.username,
        )


def _trust(tls_ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls_ca)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the certificate authority file {tls_ca} cannot be used: {error}"
        ) from error
