"""The state of the control step: what is known of the site, its nodes and the grid."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.control.broadcasts import Broadcasts
from orchestrator.domain.agent_versions import objection
from orchestrator.domain.breach import BreachBook, BreachRules
from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.calibration import Learning
from orchestrator.domain.compliance import Ramps, ShortfallWatch
from orchestrator.domain.decision import Decision, DecisionInputs
from orchestrator.domain.demand import Offer
from orchestrator.domain.eventbook import EventBook
from orchestrator.domain.events import EventRecord
from orchestrator.domain.exposure import NodeExposure, inherited, restored, without_hold
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.moment import Moment
from orchestrator.domain.ramping import RampRules, SiteCeiling
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.surface import Surface
from orchestrator.domain.telemetry import Description, MeterReading, Telemetry
from orchestrator.domain.timeline import Bound
from orchestrator.domain.topology import Node, Topology
from orchestrator.domain.trim import Trim
from orchestrator.ports import Grant, Takeover

ENDED = ("completed", "cancelled")


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """How the control step behaves; seconds unless named otherwise.

    ttl_s: of every lease, and how long a new leader raises nothing. stale_s: without telemetry
    for so long a node is silent. settle_s: power must stay under lower limits for so long
    before their watts are free. recovery_s: see EventBook. baseline_window_s: of metered power
    before an event.
    """

    site: str
    ttl_s: float = 15.0
    stale_s: float = 3.0
    settle_s: float = 1.0
    decide_every_s: float = 2.5
    resend_after_s: float = 1.0
    meter_stale_s: float = 5.0
    baseline_window_s: float = 60.0
    recovery_s: float = 300.0
    simulated: bool = False
    breach: BreachRules = field(default_factory=BreachRules)
    ramp: RampRules = field(default_factory=RampRules)


@dataclass(slots=True)
class NodeState:
    """What is known of one node.

    received_s: monotonic time of the last current telemetry. lag_s: ours less the agent's clock, by
    the quickest report of its incarnation. overdrawn: its cards enforce more than its lease says.
    unheard: setpoints sent since the last one that its telemetry has named.
    """

    exposure: NodeExposure
    ledger_w: float | None
    telemetry: Telemetry | None = None
    received_s: float = float("-inf")
    lag_s: float | None = None
    overdrawn: bool = False
    description: Description | None = None
    offline: bool = False
    sent: Setpoint | None = None
    sent_s: float = float("-inf")
    unheard: int = 0
    pending: Grant | None = None
    offer: Offer | None = None
    learning: Learning | None = None

    def age_s(self, now_s: float) -> float:
        """How old what we know of it is: reports that waited on the way are as old as their stamp.

        A report that was quick cannot be told from one that was not, but the next ones can.
        """
        if self.telemetry is None or self.lag_s is None:
            return float("inf")
        return now_s - min(self.received_s, self.telemetry.stamp_s + self.lag_s)

    def withdraw(self) -> None:
        """Drop a raise that was not sent yet; one that the ledger still answers is not sent."""
        if self.pending is not None:
            self.exposure = without_hold(self.exposure, self.pending.fence)
            self.pending = None


@dataclass(frozen=True, slots=True)
class Release:
    """One node that is being given back; see control.releases.

    until_s: monotonic, then it is dropped. grant: what the ledger was asked for; committed:
    whether it holds it. sent: the last fence that was sent, at sent_s.
    """

    until_s: float
    grant: Grant | None = None
    committed: bool = False
    sent: Fence | None = None
    sent_s: float = float("-inf")


@dataclass(slots=True)
class State:
    """Everything the control step remembers between two calls.

    considered: the inputs last decided on, whether or not that changed anything.
    asked: what every limit is asked for; bounds: what is in force, on the way there.
    superseded: a higher epoch was seen; only decreases are sent until we lead anew.
    tighten_only: why nothing is ever raised, in sentences; see domain.failsafe.
    """

    settings: ControlSettings
    topology: Topology
    started_s: float
    epoch: int
    raises_from_s: float
    nodes: dict[str, NodeState]
    events: EventBook
    sequence: int = 0
    superseded: bool = False
    tighten_only: tuple[str, ...] = ()
    signals: dict[SignalKey, Signal] = field(default_factory=dict)
    unstored: set[SignalKey] = field(default_factory=set)
    budgets: tuple[Budget, ...] = ()
    policy: GridPolicy = field(default_factory=GridPolicy)
    armed: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    releases: dict[str, Release] = field(default_factory=dict)
    frontiers: Mapping[str, Frontier] = field(default_factory=dict)
    surfaces: Mapping[str, Surface] = field(default_factory=dict)
    meters: dict[str, deque[tuple[float, MeterReading]]] = field(default_factory=dict)
    bounds: dict[str, Bound] = field(default_factory=dict)
    asked: dict[str, Bound] = field(default_factory=dict)
    site_ceiling: SiteCeiling | None = None
    next_change_at: datetime | None = None
    decision: Decision | None = None
    considered: DecisionInputs | None = None
    decided_s: float = float("-inf")
    decisions: int = 0
    ramps: Ramps = field(default_factory=Ramps)
    exposure_watch: ShortfallWatch = field(default_factory=lambda: ShortfallWatch(measured=False))
    meter_watch: ShortfallWatch = field(default_factory=lambda: ShortfallWatch(measured=True))
    broadcasts: Broadcasts = field(default_factory=Broadcasts)
    trims: dict[str, Trim] = field(default_factory=dict)
    breaches: BreachBook = field(default_factory=BreachBook)

    def hold_raises(self, problems: Sequence[str]) -> None:
        """Only tighten from now on, under every epoch, if there are problems."""
        self.tighten_only = tuple(problems)
        if problems:
            self.raises_from_s = float("inf")

    def next_fence(self) -> Fence:
        """The fence of the next setpoint; never used twice."""
        self.sequence += 1
        return Fence(self.epoch, self.sequence)

    def lead(self, takeover: Takeover, now_s: float) -> None:
        """Go on with a new epoch and raise nothing for a ttl.

        All that was sent stays charged, by us and by whoever led in between.
        """
        self.epoch, self.sequence = takeover.epoch, 0
        self.superseded = False
        self.raises_from_s = max(self.raises_from_s, now_s + self.settings.ttl_s)
        for name, node in self.nodes.items():
            node.withdraw()
            node.ledger_w = takeover.held_w.get(name)
            unknown_w = self.topology.node_by_id[name].nameplate_w
            held_w = unknown_w if node.ledger_w is None else node.ledger_w
            node.exposure = inherited(node.exposure, held_w, takeover.epoch)

    def is_armed(self, node: Node) -> bool:
        """Whether setpoints may be sent to the node."""
        if node.id in self.locked:
            return False
        return any(limit_id in self.armed for limit_id in self.topology.path_of[node.id])

    def heard(self, known: NodeState, now_s: float) -> bool:
        """Whether what is known of a node is fresh."""
        return not known.offline and known.age_s(now_s) <= self.settings.stale_s

    def status(self, node: Node, now_s: float) -> str:
        """One word for operators; see NodeView. Only "following" and "fail-safe" can be moved."""
        known = self.nodes[node.id]
        if node.id in self.locked:
            return "locked"
        if known.telemetry is None:
            return "unknown"
        if not self.heard(known, now_s):
            return "silent"
        if not self.is_armed(node):
            return "shadow"
        if _raised_by_others(known.telemetry):
            return "foreign"
        return "following" if known.telemetry.lease == "held" else "fail-safe"

    def charged_w(self, node: Node, now_s: float) -> float:
        """The sum of card limits the node is charged at, by promise: silence at its worst.

        A silent node may have rebooted: its cards are at their default then, or at fail-safe
        behind a boot gate.
        """
        known_w = self.nodes[node.id].exposure.limit_w(node)
        status = self.status(node, now_s)
        if status in ("following", "fail-safe"):
            return known_w
        silent = status == "silent" and self.is_armed(node)
        return max(known_w, self.silent_floor_w(node) if silent else node.nameplate_w)

    def cut_only(self, node: Node) -> str | None:
        """Why the node is never raised, in words; None when it may be."""
        description = self.nodes[node.id].description
        return objection(description.agent_version if description else None)

    def silent_floor_w(self, node: Node) -> float:
        """The least sum of card limits that an armed node is charged at once it is silent."""
        return node.fail_safe_w if self._boot_gated(node) else node.nameplate_w

    def metered_w(self, limit_id: str, now_s: float) -> float | None:
        """The last reading of a limit's meter, None when there is none or it is stale."""
        readings = self.meters.get(limit_id)
        if not readings or now_s - readings[-1][0] > self.settings.meter_stale_s:
            return None
        return readings[-1][1].power_w

    def mean_metered_w(self, limit_id: str, now_s: float, window_s: float) -> float | None:
        """Mean of the limit's meter over the last window_s, None without readings."""
        since_s = now_s - window_s
        values = [r.power_w for at_s, r in self.meters.get(limit_id, ()) if at_s >= since_s]
        return sum(values) / len(values) if values else None

    def _boot_gated(self, node: Node) -> bool:
        description = self.nodes[node.id].description
        return node.boot_gated and description is not None and description.boot_gated


def new_state(
    settings: ControlSettings,
    topology: Topology,
    takeover: Takeover,
    events: tuple[EventRecord, ...],
    now: Moment,
) -> State:
    """The state of a leader that has just taken over: it raises nothing for one ttl."""
    nodes = {
        node.id: NodeState(
            exposure=restored(takeover.held_w.get(node.id), takeover.epoch),
            ledger_w=takeover.held_w.get(node.id),
        )
        for node in topology.nodes
    }
    running = {event.key: event for event in events if event.status not in ENDED}
    book = EventBook(topology, settings.recovery_s, running)
    return State(
        settings=settings,
        topology=topology,
        started_s=now.monotonic_s,
        epoch=takeover.epoch,
        raises_from_s=now.monotonic_s + settings.ttl_s,
        nodes=nodes,
        events=book,
        breaches=BreachBook(settings.breach),
    )


def _raised_by_others(telemetry: Telemetry) -> bool:
    if not telemetry.foreign or telemetry.enforced_w is None or telemetry.limit_w is None:
        return False
    if telemetry.pending_w is not None:  # a write of our own is not read back yet
        return False
    return telemetry.enforced_w > telemetry.limit_w + 1.0
