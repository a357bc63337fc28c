"""One MQTT connection, from connect to disconnect, over paho-mqtt.

Every connection gets a client of its own: paho would send again after a reconnect what the broker
had not acknowledged before, and a stale command must not arrive.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Lock
from typing import Any

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from integrations.messaging.transport import LastWill, MqttAddress, guarded
from orchestrator.domain.errors import AccessDenied, BrokerUnavailable

CONNECT_TIMEOUT_S = 5.0
MAX_IN_FLIGHT = 100
MAX_QUEUED = 50_000
_FIRST_FAILURE_CODE = 0x80

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Link:
    """A single-use connection; the callbacks run on its own thread.

    `opened` is called once the broker has accepted, `received` for every message, `refused` for
    every filter whose subscription the broker denies.
    """

    def __init__(
        self,
        address: MqttAddress,
        *,
        client_id: str,
        keepalive_s: int,
        will: LastWill | None,
        tls: ssl.SSLContext | None,
        opened: Callable[["Link"], None],
        received: Callable[[str, bytes, bool], None],
        refused: Callable[[str], None],
    ) -> None:
        self._address = address
        self._keepalive_s = keepalive_s
        self._opened, self._received, self._refused = opened, received, refused
        self._answered, self._closed = Event(), Event()
        self._accepted = False
        self._refusal: ReasonCode | None = None
        self._asking = Lock()
        self._asked: dict[int, list[str]] = {}
        self._client = self._make(client_id, will, tls)

    def open(self) -> None:
        """Connect and wait for the broker's answer.

        BrokerUnavailable when there is none, AccessDenied when it refuses the credentials.
        """
        try:
            self._client.connect(self._address.host, self._address.port, self._keepalive_s)
            self._client.loop_start()  # fails too when there are no file descriptors left
        except OSError as error:
            self._forget()
            raise BrokerUnavailable(
                f"no MQTT broker answers at {self._address.url} ({error}): check that it"
                " runs, and the configured host, port and TLS"
            ) from error
        if not self._answered.wait(CONNECT_TIMEOUT_S) or not self._accepted:
            self.close(0.0)
            raise self._failure()

    @property
    def settled(self) -> bool:
        """Whether the broker has answered every subscription."""
        return not self._asked

    def closed_within(self, timeout_s: float) -> bool:
        """Wait until the connection has ended; False when it still stands."""
        return self._closed.wait(timeout_s)

    def say_goodbye(self) -> None:
        """Ask for a clean end, without a last will, and return at once."""
        self._client.disconnect()

    def close(self, grace_s: float) -> None:
        """End for good: cleanly within the grace, else by cutting the socket. At most once."""
        if not self._closed.wait(grace_s):
            self._cut()
        if self._closed.wait(CONNECT_TIMEOUT_S):
            self._client.loop_stop()
            self._forget()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> bool:
        """Hand a message to the connection's thread; False when it will not be sent."""
        try:
            sent = self._client.publish(topic, payload, qos, retain)
        except ValueError:
            _log.exception("a message cannot be sent and is dropped", topic=topic)
            return False
        return sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def subscribe(self, filters: Mapping[str, int]) -> None:
        """Send one subscription for all filters, with the QoS of each."""
        if filters:
            with self._asking:
                _, packet = self._client.subscribe(list(filters.items()))
                if packet is not None:
                    self._asked[packet] = list(filters)

    def _make(self, client_id: str, will: LastWill | None, tls: ssl.SSLContext | None) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        client.max_queued_messages_set(MAX_QUEUED)
        client.username_pw_set(self._address.username, self._address.password)
        if tls:
            client.tls_set_context(tls)
        if will:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _failure(self) -> BrokerUnavailable | AccessDenied:
        if self._refusal:
            return AccessDenied(
                f"the MQTT broker at {self._address.url} refused user {self._address.username!r}"
                f" ({self._refusal}): check the user name and the password"
            )
        return BrokerUnavailable(
            f"{self._address.url} takes connections but does not answer in MQTT: check the"
            " port, and whether it wants TLS"
        )

    def _cut(self) -> None:
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        # Without the reference cycle paho closes its sockets as soon as the link is dropped.
        client = self._client
        client.on_connect = client.on_disconnect = client.on_message = client.on_subscribe = None

    def _on_connect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = reason
        else:
            self._accepted = True
            guarded(self._opened, self)
        self._answered.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._closed.set()
        self._answered.set()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        guarded(lambda: self._received(message.topic, bytes(message.payload), message.retain))

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: Any,
        packet: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        with self._asking:
            filters = self._asked.pop(packet, [])
        for pattern, reason in zip(filters, reasons, strict=False):
            if reason.value >= _FIRST_FAILURE_CODE:
                self._refused(pattern)
