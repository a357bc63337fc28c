"""A small site in virtual time: the real control step, real agent cores, and the simulated plant.

Nothing is lost or late here beyond what a healthy site sees: messages take a moment, the ledger
answers before the next step, meters are half a second old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from agents.core.agent import AgentState, Identity, start, step
from agents.core.effects import Message, Publish, Reading, Record
from agents.core.lease import Terms
from agents.core.options import Service
from integrations.twin.node import LatencyLog, SimNode
from orchestrator.bench.plant.node_run import LATENCY_S, PERIOD_S
from orchestrator.bench.plant.own_agent import carry_out
from orchestrator.control.state import ControlSettings, State, new_state
from orchestrator.control.step import step as control_step
from orchestrator.domain.agent_versions import NEWEST
from orchestrator.domain.frontier import Frontier, pareto
from orchestrator.domain.moment import Moment
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.telemetry import Description, MeterReading, Telemetry
from orchestrator.domain.topology import Topology
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    FrontiersChanged,
    GrantCommitted,
    Input,
    MeterRead,
    NodeDescribed,
    SendSetpoint,
    SignalReceived,
    TelemetryReceived,
)
from orchestrator.ports import Takeover

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
MESSAGE_S = 0.05
METER_NOISE = 0.002
GRID = SignalKey("bench", "grid")


@dataclass
class Host:
    """One node of the site: its plant and its agent."""

    plant: SimNode
    agent: AgentState
    inbox: list[Message] = field(default_factory=list)

    def act(self, now_s: float) -> list[Input]:
        """One step of the agent; what it reports."""
        reading = Reading(now_s, self.plant.read_cards(), self.plant.read_engine(), now_s)
        self.agent, effects = step(self.agent, reading, self.inbox, now_s)
        self.inbox = carry_out(self.plant, effects)
        published = [effect.message for effect in effects if isinstance(effect, Publish)]
        return [_reported(message) for message in published if not _is_ack(message)]


@dataclass
class SiteRun:
    """The site and its record, by half second: true watts at the wall, tokens, queues by node."""

    hosts: Mapping[str, Host]
    state: State
    limit_w: float
    random: np.random.Generator
    now_s: float = 0.0
    inbox: list[Input] = field(default_factory=list)
    wall_w: list[float] = field(default_factory=list)
    limits_w: list[float] = field(default_factory=list)
    tokens: dict[str, list[float]] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(default_factory=dict)
    logs: dict[str, list[LatencyLog]] = field(default_factory=dict)
    wall_j: dict[str, list[float]] = field(default_factory=dict)

    @property
    def moment(self) -> Moment:
        """Now, on both clocks."""
        return Moment(self.now_s, BEGIN + timedelta(seconds=self.now_s))

    def arm(self) -> None:
        """Let the control loop move every node."""
        self.inbox.append(ArmingChanged(frozenset({self.state.topology.root.id})))

    def ask(self, limit_w: float) -> None:
        """The grid's newest word: a limit for the whole site, until it is replaced."""
        now = self.moment.utc
        signal = Signal(GRID, "limit", limit_w, now, now, None)
        self.limit_w = limit_w
        self.inbox.append(SignalReceived(signal, stored=True))

    def tick(self) -> None:
        """Half a second: agents report, the control step decides, setpoints arrive, time passes."""
        begin_s, before_j = self.now_s, self._wall_j()
        for host in self.hosts.values():
            self.inbox += host.act(self.now_s)
        self.inbox.append(self._metered())
        told = self._control()
        self._advance(begin_s + MESSAGE_S)
        for name in told:
            self.inbox += self.hosts[name].act(self.now_s)
        self._advance(begin_s + PERIOD_S)
        self._record(before_j)

    def _control(self) -> list[str]:
        inputs, self.inbox = self.inbox, []
        told: list[str] = []
        for effect in control_step(self.state, inputs, self.moment):
            told += self._carry_out(effect)
        return sorted(set(told))

    def _carry_out(self, effect: Effect) -> Sequence[str]:
        match effect:
            case SendSetpoint(setpoint):
                self.hosts[setpoint.node].inbox.append(setpoint)
                return [setpoint.node]
            case CommitGrants(grants):
                self.inbox += [GrantCommitted(grant.node, grant.fence) for grant in grants]
            case _:
                pass
        return []

    def _metered(self) -> MeterRead:
        """The meter at the root: true power, its own noise, half a second old."""
        power_w = self.wall_w[-1] if self.wall_w else 0.0
        power_w *= 1.0 + METER_NOISE * float(self.random.standard_normal())
        return MeterRead(MeterReading("site", power_w, self.moment.utc))

    def _advance(self, until_s: float) -> None:
        for host in self.hosts.values():
            host.plant.advance(until_s)
        self.now_s = until_s

    def _wall_j(self) -> dict[str, float]:
        return {name: host.plant.wall_energy_j for name, host in self.hosts.items()}

    def _record(self, before_j: Mapping[str, float]) -> None:
        spent_j = {name: j - before_j[name] for name, j in self._wall_j().items()}
        self.wall_w.append(sum(spent_j.values()) / PERIOD_S)
        self.limits_w.append(self.limit_w)
        step_now = len(self.wall_w)
        for name, host in self.hosts.items():
            self.wall_j.setdefault(name, []).append(spent_j[name])
            self.tokens.setdefault(name, []).append(host.plant.tokens)
            self.waiting.setdefault(name, []).append(host.plant.waiting)
            if step_now % round(LATENCY_S / PERIOD_S) == 0:
                self.logs.setdefault(name, []).append(host.plant.latency())


def open_site(
    topology: Topology,
    plants: Mapping[str, SimNode],
    models: Mapping[str, Frontier],
    services: Mapping[str, Service],
    *,
    knobs: tuple[str, ...] = ("cap", "batch"),
    seed: int = 0,
    settings: ControlSettings | None = None,
) -> SiteRun:
    """A site in shadow mode. models: all operating points, by deployment."""
    chosen = settings or ControlSettings("bench", ttl_s=15.0, simulated=True)
    state = new_state(chosen, topology, Takeover(1, {}), (), Moment(0.0, BEGIN))
    hosts = {}
    for node in topology.nodes:
        identity = Identity(node.deployment, NEWEST, True, knobs, services[node.id])
        terms = Terms(node.id, node.fail_safe_w)
        agent = start(terms, identity, "bench", Record())
        points = models[node.deployment]
        hosts[node.id] = Host(plants[node.id], replace(agent, announce=True), [points])
    frontiers = {name: _frontier(points) for name, points in models.items()}
    run = SiteRun(hosts, state, topology.root.limit_w, np.random.default_rng((seed, 3)))
    run.inbox.append(FrontiersChanged(frontiers, models))
    return run


def _frontier(points: Frontier) -> Frontier:
    free = [point for point in points.points if point.clock_mhz is None]
    return pareto(points.deployment, points.model_version, points.cards, free)


def _is_ack(message: object) -> bool:
    return not isinstance(message, Telemetry | Description)


def _reported(message: object) -> Input:
    if isinstance(message, Telemetry):
        return TelemetryReceived(message)
    if isinstance(message, Description):
        return NodeDescribed(message)
    raise TypeError(f"not a report: {message}")
