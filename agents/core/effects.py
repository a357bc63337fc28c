"""What a step asks the loop to do, and what the loop tells the next step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.core.shed import Slot
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.setpoint import Ack, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import CardReading, Description, EngineReading, Telemetry


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, None where nothing answered; times in seconds of the agent's clock."""

    sampled_s: float
    cards: tuple[CardReading, ...] | None
    engine: EngineReading | None = None
    engine_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """A write that returned, however late; error in words if it failed."""

    uuid: str
    limit_w: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The clocks were locked at this, or freed; error in words if that failed."""

    clock_mhz: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """The transport has connected: the broker may have forgotten this node."""


Message = Setpoint | Shed | NodeTable | Frontier | WriteResult | ClockSet | Connected


@dataclass(frozen=True, slots=True)
class WriteCap:
    """Write a card's power limit in watts. raises: it lifts the limit that may be enforced."""

    uuid: str
    limit_w: float
    raises: bool


@dataclass(frozen=True, slots=True)
class SetBatch:
    """Set the engine's batch limit, after the cap writes of the same step."""

    limit: int


@dataclass(frozen=True, slots=True)
class SetClock:
    """Lock the highest SM clock of every card, in MHz; None leaves the clocks to the driver."""

    clock_mhz: float | None


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message of this node; a description is retained and goes with the online state."""

    message: Ack | Telemetry | Description


@dataclass(frozen=True, slots=True)
class Record:
    """What outlives the process.

    prior_w: the cards' limits in watts before the first setpoint. locked: whether the agent may
    have locked their clocks. shed: the slot of the fast path.
    """

    armed: bool = False
    highest_epoch: int = 0
    prior_w: Mapping[str, float] = field(default_factory=dict)
    locked: bool = False
    shed: Slot = field(default_factory=Slot)


@dataclass(frozen=True, slots=True)
class Journal:
    """Make a record durable before any raise of the same step."""

    record: Record


Effect = WriteCap | SetBatch | SetClock | Publish | Journal
