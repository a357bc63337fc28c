"""What the core needs from outside, in terms of domain types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.domain.setpoint import Fence
from orchestrator.domain.telemetry import MeterReading

if TYPE_CHECKING:
    from orchestrator.messages import Input
    from orchestrator.snapshot import Snapshot

Handler = Callable[[str, bytes, bool], None]


class Transport(Protocol):
    """Publish and subscribe with MQTT 3.1.1 semantics; never blocks on the network."""

    @property
    def connected(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self, timeout_s: float = 2.0) -> None: ...

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> bool: ...

    def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0) -> None: ...

    def on_connect(self, callback: Callable[[], None]) -> None: ...


class Meter(Protocol):
    """True power below one limit. Raises MeterError."""

    def read(self) -> MeterReading: ...


@dataclass(frozen=True, slots=True)
class Grant:
    """A raise that must be in the ledger before it is sent: the most a node may then hold."""

    node: str
    limit_w: float
    fence: Fence


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a new leader finds: its own epoch, and the most each node may hold from before."""

    epoch: int
    held_w: Mapping[str, float]


class Ledger(Protocol):
    """The exposure ledger: what any node may hold, written before it is sent."""

    def take_over(self, at_least: int = 0) -> Takeover:
        """Become the leader with an epoch above every known one. Raises DatabaseUnavailable."""

    def commit(self, epoch: int, grants: Sequence[Grant]) -> None:
        """Write raises ahead, all or none. Raises Conflict if another epoch leads now."""

    def lower(self, epoch: int, held_w: Mapping[str, float]) -> None:
        """Note what evidence has shown nodes to hold at most. Raises Conflict as commit does."""


class Control(Protocol):
    """The control thread, as everything outside it sees it."""

    def submit(self, item: "Input") -> None:
        """Hand in an input and wake the thread at once; never blocks."""

    def snapshot(self) -> "Snapshot":
        """The latest state of the facility; immutable, never blocks."""
