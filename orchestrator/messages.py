"""What goes into the control step and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.breach import Breach
from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.decision import Decision
from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.shed import Shed
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.telemetry import Description, MeterReading, Telemetry
from orchestrator.ports import Grant, Takeover


@dataclass(frozen=True, slots=True)
class TelemetryReceived:
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class NodeDescribed:
    description: Description


@dataclass(frozen=True, slots=True)
class NodeOffline:
    """The broker published the node's last will, or the agent said goodbye."""

    node: str


@dataclass(frozen=True, slots=True)
class MeterRead:
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """A checked signal. Until it is stored it may tighten but not loosen."""

    signal: Signal
    stored: bool


@dataclass(frozen=True, slots=True)
class SignalCancelled:
    """The source withdrew a signal, and the withdrawal is stored."""

    key: SignalKey


@dataclass(frozen=True, slots=True)
class BudgetsChanged:
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    policy: GridPolicy


@dataclass(frozen=True, slots=True)
class ArmingChanged:
    """Ids of the limits (racks, or any above) whose nodes are armed; the whole set."""

    armed: frozenset[str]


@dataclass(frozen=True, slots=True)
class LockoutsChanged:
    """Nodes that nothing may be sent to; the whole set."""

    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """An operator gives this node back; it is locked out already."""

    node: str


@dataclass(frozen=True, slots=True)
class FrontiersChanged:
    """The active frontier of every deployment, and all points of its model; the whole set."""

    frontiers: Mapping[str, Frontier]
    candidates: Mapping[str, Frontier] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrantCommitted:
    """The ledger holds this raise: it may be sent."""

    node: str
    fence: Fence


@dataclass(frozen=True, slots=True)
class GrantFailed:
    """The ledger does not hold this raise; it was never sent."""

    node: str
    fence: Fence


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """Somebody used this epoch; ours must be above it before we raise anything."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The ledger gave this leader a new, higher epoch."""

    takeover: Takeover


Input = (
    TelemetryReceived
    | NodeDescribed
    | NodeOffline
    | MeterRead
    | SignalReceived
    | SignalCancelled
    | BudgetsChanged
    | PolicyChanged
    | ArmingChanged
    | LockoutsChanged
    | ReleaseRequested
    | FrontiersChanged
    | GrantCommitted
    | GrantFailed
    | EpochSeen
    | TakenOver
)


@dataclass(frozen=True, slots=True)
class SendSetpoint:
    """Publish a setpoint; kind is "decrease", "raise" or "renewal"."""

    setpoint: Setpoint
    kind: str


@dataclass(frozen=True, slots=True)
class SendShed:
    """Broadcast a shed, or a canary, to the whole site."""

    shed: Shed


@dataclass(frozen=True, slots=True)
class CommitGrants:
    """Write raises ahead; the answer comes back as GrantCommitted or GrantFailed."""

    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class LowerLedger:
    """Note the most that nodes can hold by evidence, watts by node; may lag behind."""

    held_w: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StoreDecision:
    decision: Decision


@dataclass(frozen=True, slots=True)
class StoreEvent:
    event: EventRecord


@dataclass(frozen=True, slots=True)
class StoreShortfall:
    shortfall: Shortfall


@dataclass(frozen=True, slots=True)
class StoreBreach:
    breach: Breach


@dataclass(frozen=True, slots=True)
class StepDown:
    """A higher epoch was seen: nothing is raised or renewed until TakenOver comes back."""

    seen_epoch: int


Effect = (
    SendSetpoint
    | SendShed
    | CommitGrants
    | LowerLedger
    | StoreDecision
    | StoreEvent
    | StoreShortfall
    | StoreBreach
    | StepDown
)
