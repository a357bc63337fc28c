"""What every transport of this package shares: addresses, last wills and subscriptions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec

import structlog

from integrations.messaging.filters import check_filter, check_topic, matches
from orchestrator.domain.errors import ConfigurationError

P = ParamSpec("P")
Handler = Callable[[str, bytes, bool], None]

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class MqttAddress:
    """Where a broker listens and who we are there; a certificate authority file turns TLS on."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536:
            raise ConfigurationError(
                f"{self.host!r} port {self.port} is no broker's address: set a host name and a port"
                " from 1 to 65535"
            )

    @property
    def url(self) -> str:
        """The address for people, without the credentials."""
        return f"{'mqtts' if self.tls_ca else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class LastWill:
    """The message that the broker publishes when a client goes without saying goodbye."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True

    def __post_init__(self) -> None:
        check_topic(self.topic)


@dataclass(frozen=True)
class _Subscription:
    pattern: str
    handler: Handler
    qos: int


class Subscriptions:
    """The handlers of one client, kept across reconnects.

    A message that several filters select reaches each of their handlers, and a broker may send it
    once for each filter: handlers of overlapping filters must bear duplicates.
    """

    def __init__(self) -> None:
        self._entries: tuple[_Subscription, ...] = ()

    def add(self, pattern: str, handler: Handler, qos: int) -> None:
        """Keep a handler; InvalidMessage when the filter is not valid."""
        check_filter(pattern)
        self._entries = (*self._entries, _Subscription(pattern, handler, qos))

    def filters(self) -> dict[str, int]:
        """Each filter once, in the order of subscribing, with the highest QoS asked for."""
        wanted: dict[str, int] = {}
        for entry in self._entries:
            wanted[entry.pattern] = max(entry.qos, wanted.get(entry.pattern, 0))
        return wanted

    def dispatch(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Call every handler whose filter selects the topic; log what they raise and go on."""
        for entry in self._entries:
            if matches(entry.pattern, topic):
                guarded(entry.handler, topic, payload, retained)


def guarded(call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run foreign code on a transport's thread: an exception is logged and goes no further."""
    try:
        call(*args, **kwargs)
    except Exception:  # noqa: BLE001  the loop serves every other subscriber too
        _log.exception(
            "a callback of the transport failed; it missed this call",
            callback=getattr(call, "__qualname__", repr(call)),
        )
