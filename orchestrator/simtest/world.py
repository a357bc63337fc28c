"""One seed as it runs: a site on a virtual clock in steps of 100 ms, and everything that breaks."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Final
from zlib import crc32

from agents.core.effects import Message
from integrations.twin.deployment import Deployment
from integrations.twin.node import SimNode, poisson, saturated
from orchestrator.control.state import ControlSettings
from orchestrator.domain.errors import DatabaseUnavailable
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.moment import Moment, SteadyUtc
from orchestrator.domain.ramping import RampRules
from orchestrator.domain.setpoint import Ack, Setpoint
from orchestrator.domain.shed import Shed
from orchestrator.domain.shed_table import shed_table
from orchestrator.domain.telemetry import Description, MeterReading, Telemetry
from orchestrator.messages import (
    Effect,
    Input,
    MeterRead,
    NodeDescribed,
    NodeOffline,
    SendSetpoint,
    SendShed,
    TelemetryReceived,
)
from orchestrator.simtest import service as services
from orchestrator.simtest.breakage import Breakage
from orchestrator.simtest.database import Database
from orchestrator.simtest.driver import Driver
from orchestrator.simtest.grid import BEGIN, Grid, Wish
from orchestrator.simtest.host import Host, Report
from orchestrator.simtest.network import Link, Network
from orchestrator.simtest.promises import Judge, Violation
from orchestrator.simtest.sampling import SLICE_S, Plant
from orchestrator.simtest.scenario import MODELS, Scenario
from orchestrator.simtest.service import Crashed, Service
from orchestrator.simtest.truth import Truth

CHECK_EVERY: Final = 5
JUDGED_FROM_S: Final = 30.0
"""Every node has come under control by then; before, cards are at their default limits."""
SETTINGS: Final = ControlSettings(
    "simtest", ttl_s=15.0, baseline_window_s=20.0, recovery_s=30.0, simulated=True
)
FULL_TOK_S: Final = (4000.0, 6000.0, 4000.0, 9000.0)
POINTS: Final = ((200.0, 0.40), (300.0, 0.68), (400.0, 0.85), (550.0, 0.96), (700.0, 1.0))


@dataclass
class World:
    """A site that runs a scenario; `found` is what the judge has against it.

    retained_epoch, described: what the broker keeps of leaders and of nodes.
    """

    scenario: Scenario
    tracing: bool = False
    trace: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    count: int = 0
    services: list[Service] = field(default_factory=list)
    started: int = 0
    retained_epoch: int = 0
    described: dict[str, Description] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seed, topology = self.scenario.seed, self.scenario.topology
        self.topology = topology
        ramp = RampRules(up_w_per_s=self.scenario.climb_w_per_s)
        self.settings = replace(SETTINGS, ramp=ramp)
        self.random = Random(seed + 1)  # noqa: S311
        self.database = Database()
        self.frontiers = {node.deployment: _frontier(node.deployment) for node in topology.nodes}
        self.hosts = {node.id: self._host(index) for index, node in enumerate(topology.nodes)}
        names = [*self.hosts, "site"]
        self.network = Network(self.random, {name: Link() for name in names}, seed % 2 == 0)
        self.grid = Grid(topology, [Wish(a, str(i)) for i, a in enumerate(self.scenario.asks)])
        self.judge = Judge(topology)
        self.breakage = Breakage(self)
        self.truth = Truth(self)
        self.utc = SteadyUtc()
        for host in self.hosts.values():
            host.start(0.0)
        self.start_service()

    @property
    def now_s(self) -> float:
        """Seconds since the begin."""
        return self.count * SLICE_S

    @property
    def found(self) -> list[Violation]:
        """Promises that were broken."""
        return self.judge.found

    def moment(self) -> Moment:
        """Now, on the service's clocks."""
        shown = BEGIN + timedelta(seconds=self.now_s + self.breakage.wall_s)
        return Moment(self.now_s, self.utc.follow(self.now_s, shown))

    def say(self, line: str) -> None:
        """Add a line to the trace."""
        if self.tracing:
            self.trace.append(f"{self.now_s:7.1f} s  {line}")

    def start_service(self) -> bool:
        """Start an orchestrator; False while its database is down."""
        self.started += 1
        try:
            made = services.start(
                f"service-{self.started}", self.settings, self.topology, self.frontiers,
                self.database, self.retained_epoch, self.moment(),
            )  # fmt: skip
        except DatabaseUnavailable:
            return False
        made.inbox += [NodeDescribed(said) for said in self.described.values()]
        self.services.append(made)
        self.retained_epoch = max(self.retained_epoch, made.state.epoch)
        self.say(f"{made.name} leads with epoch {made.state.epoch}")
        return True

    def run(self) -> list[Violation]:
        """To the end, or to the first violation."""
        while self.now_s < self.scenario.seconds and not self.found:
            self.tick()
        return self.found

    def tick(self) -> None:
        """A tenth of a second."""
        self.count += 1
        now_s = self.now_s
        self.breakage.act()
        self._hear()
        for to, message in self.network.due(now_s):
            self._deliver(to, message)
        for service in list(self.services):
            self._serve(service)
        for host in self.hosts.values():
            host.plant.slices = self.count - 1
            for report in host.advance(now_s):
                self._report(host, report)
        if self.count % CHECK_EVERY == 0:
            self._judge()

    def _hear(self) -> None:
        serving = any(self.now_s >= service.resumes_s for service in self.services)
        heard = self.grid.act(self.now_s, self.database, serving)
        for service in self.services:
            service.inbox += heard
        if self.tracing:
            for item in heard:
                self.say(f"heard {item}")
        if self.count % 10 == 0 and not self.breakage.meter_dead:
            self._meter()

    def _meter(self) -> None:
        drawn_w = sum(host.plant.live.wall_power_w for host in self.hosts.values())
        root = self.topology.root
        drawn_w += self.topology.uncontrolled_under_w[root.id]
        read = MeterRead(MeterReading(root.id, drawn_w, self.moment().utc))
        for service in self.services:
            service.inbox.append(read)

    def _deliver(self, to: str, message: object) -> None:
        match message:
            case Setpoint():
                self.truth.told(to, message)
                self.hosts[to].deliver(message)
            case Shed():
                self.hosts[to].deliver(message)
            case Telemetry():
                self._submit(TelemetryReceived(message))
            case Description():
                self.described[message.node] = message
                self._submit(NodeDescribed(message))
            case NodeOffline():
                self._submit(message)
            case _:
                pass

    def _submit(self, item: Input) -> None:
        for service in self.services:
            service.inbox.append(item)

    def _serve(self, service: Service) -> None:
        now_s = self.now_s
        if now_s < service.resumes_s:
            return
        service.record()
        if now_s < service.due_s and not service.urgent():
            return
        try:
            for effect in service.run(self.moment(), self._check_step):
                self._send(effect)
        except Crashed:
            self.services.remove(service)
            self.say(f"{service.name} has died")

    def _check_step(self, service: Service, effects: list[Effect]) -> None:
        self.judge.step(self.now_s, service, effects)
        if self.tracing:
            for effect in effects:
                self.say(f"{service.name}: {_brief(effect)}")

    def _send(self, effect: object) -> None:
        if isinstance(effect, SendSetpoint):
            self.network.send("site", effect.setpoint.node, effect.setpoint, self.now_s)
        elif isinstance(effect, SendShed):
            for name in self.hosts:
                self.network.send("site", name, effect.shed, self.now_s)

    def _report(self, host: Host, report: Report) -> None:
        if isinstance(report, Ack):
            self.truth.acknowledged(host, report)
            return
        self.network.send(host.node.id, "site", report, self.now_s)

    def _judge(self) -> None:
        now_s, truth = self.now_s, self.truth
        samples_w: dict[str, list[float]] = {}
        for name, host in self.hosts.items():
            host.plant.slices = self.count
            samples_w[name] = host.plant.take()
        self.grid.owe(now_s, self.database.tables)
        if now_s < JUDGED_FROM_S:
            return
        wall_w = {name: watts[-1] for name, watts in samples_w.items()}
        self.judge.physical(now_s, samples_w, truth.excused_w())
        self.judge.events(
            now_s,
            wall_w,
            lambda limit_id: self.grid.allowed_w(limit_id, now_s, self.breakage.slack_s),
            truth.unreached(),
        )
        truth.judge(self.judge, wall_w)

    def _host(self, index: int) -> Host:
        seed, node = self.scenario.seed, self.topology.nodes[index]
        deployment = Deployment(*MODELS[index], node.cards)
        share, seconds = self.scenario.offered[index], self.scenario.seconds
        requests = (
            saturated(deployment, seconds, seed)
            if share > 1.0
            else poisson(deployment, share * FULL_TOK_S[index], seconds, seed)
        )
        plant = Plant(SimNode(deployment, requests, seed=seed, node_id=node.id))
        draws = Random(crc32(f"{seed} {node.id}".encode()))  # noqa: S311
        return Host(
            node, plant, Driver(plant, draws), self._retained(index),
            jitter=draws.random(), phase_s=round(draws.random() * 0.4, 1),
        )  # fmt: skip

    def _retained(self, index: int) -> tuple[Message, ...]:
        """What the broker keeps for an agent: one tunes by a model, one may lack its shed table."""
        seed, node = self.scenario.seed, self.topology.nodes[index]
        found: list[Message] = []
        if seed % len(self.topology.nodes) == index:
            found.append(self.frontiers[node.deployment])
        if seed % 8 != index:
            found.append(shed_table(self.topology).of(node.id))
        return tuple(found)


def _frontier(deployment: str) -> Frontier:
    points = tuple(Candidate(w, 256, 2.0 * w, 4000.0 * share) for w, share in POINTS)
    return Frontier(deployment, "simtest", 2, points)


def _brief(effect: object) -> str:
    if isinstance(effect, SendSetpoint):
        sent, fence = effect.setpoint, effect.setpoint.fence
        return f"{effect.kind} {sent.node} {sent.limit_w:.1f} W, {fence.epoch}.{fence.sequence}"
    return f"{type(effect).__name__}"
