"""The control step between obedient agents and a ledger that answers as it is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from orchestrator.control.state import ControlSettings, State, new_state
from orchestrator.control.step import step
from orchestrator.domain.events import EventRecord
from orchestrator.domain.setpoint import NO_FENCE, Fence, Setpoint
from orchestrator.domain.shed import Shed
from orchestrator.domain.telemetry import Description, MeterReading, Telemetry
from orchestrator.domain.topology import Node, Topology
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    GrantCommitted,
    Input,
    MeterRead,
    NodeDescribed,
    SendSetpoint,
    SendShed,
    TelemetryReceived,
)
from orchestrator.ports import Takeover
from tests.site_samples import at, report, two_racks

TICK_S = 0.25
SETTINGS = ControlSettings("lab", ttl_s=6.0, baseline_window_s=5.0, recovery_s=20.0)


@dataclass
class Agent:
    """A node that does what it is told.

    deaf: nothing reaches it; mute: it says nothing; lost: sheds do not reach it, and so it never
    shows them, nor canaries.
    """

    name: str
    enforced_w: float = 1000.0
    fence: Fence = NO_FENCE
    lease: str = "none"
    changed_s: float = -10.0
    incarnation: str = "run-1"
    highest_epoch: int = 0
    deaf: bool = False
    mute: bool = False
    lost: bool = False
    shed: Fence | None = None
    canary: Fence | None = None
    extra: dict[str, object] = field(default_factory=dict)

    def take(self, setpoint: Setpoint, now_s: float) -> None:
        if self.deaf:
            return
        if setpoint.limit_w != self.enforced_w:
            self.enforced_w, self.changed_s = setpoint.limit_w, now_s
        self.fence, self.lease = setpoint.fence, "held"
        self.highest_epoch = max(self.highest_epoch, setpoint.fence.epoch)

    def hear(self, shed: Shed) -> None:
        if self.deaf or self.lost:
            return
        if shed.canary:
            self.canary = shed.fence
        else:
            self.shed = shed.fence

    def report(self, now_s: float) -> Telemetry:
        said = report(
            self.name,
            self.enforced_w,
            stamp_s=now_s,
            incarnation=self.incarnation,
            fence=self.fence,
            lease=self.lease,
            settled_s=now_s - self.changed_s,
            highest_epoch=self.highest_epoch,
        )
        said = replace(said, shed=self.shed, canary=self.canary)
        return replace(said, **self.extra)  # type: ignore[arg-type]


class Bench:
    """Runs the control step every quarter of a second; keeps what it sent.

    commits: whether the ledger answers raises; else they wait in `waiting`.
    """

    def __init__(
        self,
        *,
        armed: frozenset[str] = frozenset({"site"}),
        held_w: dict[str, float] | None = None,
        events: tuple[EventRecord, ...] = (),
        settings: ControlSettings = SETTINGS,
        epoch: int = 1,
        boot_gated: bool = False,
        topology: Topology | None = None,
    ) -> None:
        tree = topology or two_racks(boot_gated=boot_gated)
        self.now_s = 0.0
        self.agents = {node.id: Agent(node.id) for node in tree.nodes}
        takeover = Takeover(epoch, held_w or {})
        self.state: State = new_state(settings, tree, takeover, events, at(0))
        self.commits = True
        self.waiting: list[Input] = []
        self.metered_w: float | None = None
        self.effects: list[Effect] = []
        self.step(ArmingChanged(armed), *map(NodeDescribed, map(describe, tree.nodes)))

    def step(self, *inputs: Input) -> list[Effect]:
        """One step now, without time passing."""
        effects = step(self.state, inputs, at(self.now_s))
        self._carry_out(effects)
        return effects

    def run(self, seconds: float) -> list[Effect]:
        """Let time pass with reports of all agents; returns all effects."""
        found: list[Effect] = []
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            found += self.step(*self._inputs())
        return found

    def settle(self) -> None:
        """Past the quiet time of a new leader, until every node has what it shall have."""
        self.run(self.state.settings.ttl_s + 6)

    def _inputs(self) -> Sequence[Input]:
        answers, self.waiting = (self.waiting, []) if self.commits else ([], self.waiting)
        reports = [
            TelemetryReceived(a.report(self.now_s)) for a in self.agents.values() if not a.mute
        ]
        return [*answers, *reports, *self._meter()]

    def _meter(self) -> Iterable[Input]:
        if self.metered_w is not None:
            measured_at = at(0).utc + timedelta(seconds=self.now_s)
            yield MeterRead(MeterReading("site", self.metered_w, measured_at))

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendSetpoint(setpoint):
                    self.agents[setpoint.node].take(setpoint, self.now_s)
                case SendShed(shed):
                    for agent in self.agents.values():
                        agent.hear(shed)
                case CommitGrants(grants):
                    self.waiting += [GrantCommitted(g.node, g.fence) for g in grants]
                case _:
                    pass
        self.effects += effects

    def charged_w(self, name: str) -> float:
        return self.state.charged_w(self.state.topology.node_by_id[name], self.now_s)

    def status(self, name: str) -> str:
        return self.state.status(self.state.topology.node_by_id[name], self.now_s)


def describe(node: Node, agent_version: str = "0.1.0") -> Description:
    """The first words of a node without a boot gate."""
    return Description(
        node=node.id,
        incarnation="run-1",
        agent_version=agent_version,
        deployment=node.deployment,
        cards=("x", "y"),
        min_w=node.min_w,
        max_w=node.nameplate_w,
        default_w=node.nameplate_w,
        boot_gated=False,
        knobs=("cap",),
    )


def sends(effects: Iterable[Effect], kind: str | None = None) -> list[Setpoint]:
    """The setpoints among effects, of one kind or all."""
    return [
        effect.setpoint
        for effect in effects
        if isinstance(effect, SendSetpoint) and kind in (None, effect.kind)
    ]
