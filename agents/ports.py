"""What an agent needs from outside, in terms of domain types."""

from collections.abc import Callable
from typing import Protocol

from agents.core.effects import Record
from orchestrator.domain.telemetry import CardReading, EngineReading

Handler = Callable[[str, bytes, bool], None]


class Gpus(Protocol):
    """The cards of a node; called from several threads. Raises GpuError."""

    def read(self) -> tuple[CardReading, ...]:
        """Every card that the agent may turn."""

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        """Write one card's power limit in watts."""

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        """Lock the highest SM clock of every card; None frees it."""


class Engine(Protocol):
    """The serving engine of a node; called from several threads. Raises EngineError."""

    def read(self) -> EngineReading:
        """What runs and waits."""

    def set_batch_limit(self, limit: int) -> None:
        """How many requests may run at once."""


class Transport(Protocol):
    """Publish and subscribe with MQTT 3.1.1 semantics; never blocks on the network."""

    def start(self) -> None: ...

    def stop(self, timeout_s: float = 2.0) -> None: ...

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> bool: ...

    def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0) -> None: ...

    def on_connect(self, callback: Callable[[], None]) -> None: ...


class Clock(Protocol):
    """Seconds that never go back and go on while the host sleeps."""

    def now_s(self) -> float: ...


class Diary(Protocol):
    """Where the record that outlives the process is kept."""

    def write(self, record: Record) -> None:
        """Make the record durable. Raises OSError."""


class Guardian(Protocol):
    """Tightens the cards when it is no longer fed; never blocks and never raises."""

    def feed(self, *, armed: bool, ends_s: float | None) -> None:
        """Say that the loop lives, and until when its lease runs."""

    def dismiss(self) -> None:
        """Say that the stop is planned."""
