"""A GPU host: the simulated plant, its driver, the agent's process and the watchdog beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agents.core import agent as agents
from agents.core.agent import AgentState, Identity
from agents.core.effects import (
    ClockSet,
    Connected,
    Effect,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    SetBatch,
    SetClock,
    WriteCap,
)
from agents.core.lease import Terms
from agents.watchdog import RETRY_S, Watch, hear, lose, postpone, succeed, tighten
from orchestrator.domain.errors import GpuError
from orchestrator.domain.setpoint import Ack
from orchestrator.domain.telemetry import CardReading, Description, EngineReading, Telemetry
from orchestrator.domain.topology import Node
from orchestrator.simtest.driver import Driver
from orchestrator.simtest.sampling import Plant

PERIOD_S: Final = 0.5
STALL_S: Final = 3.0
LOOP_S: Final = 0.01
"""From the reading of the cards to the end of a step."""
Report = Ack | Telemetry | Description


@dataclass
class HostClock:
    """CLOCK_BOOTTIME of a host: runs at its own rate, and jumps when the host was suspended."""

    since_s: float = 0.0
    shown_s: float = 0.0
    rate: float = 1.0

    def at(self, now_s: float) -> float:
        """What the clock shows."""
        return self.shown_s + (now_s - self.since_s) * self.rate

    def set(self, now_s: float, shown_s: float, rate: float) -> None:
        """Go on from here."""
        self.since_s, self.shown_s, self.rate = now_s, shown_s, rate


@dataclass
class Host:
    """One node of the site; `agent` is None while its process does not run.

    retained: what the broker keeps for its agent.
    crash_after: how many effects of the next step are carried out before the process dies.
    """

    node: Node
    plant: Plant
    driver: Driver
    retained: tuple[Message, ...]
    jitter: float
    phase_s: float
    clock: HostClock = field(default_factory=HostClock)
    record: Record = field(default_factory=Record)
    agent: AgentState | None = None
    watch: Watch | None = None
    inbox: list[Message] = field(default_factory=list)
    starts: int = 0
    due_s: float = 0.0
    resumes_s: float = 0.0
    returns_s: float | None = None
    serving: bool = True
    crash_after: int | None = None

    def start(self, now_s: float) -> None:
        """A new agent process with what the old one had written down."""
        self.starts += 1
        identity = Identity(self.node.deployment, "0.1.0", self.node.boot_gated, ("cap", "batch"))
        terms = Terms(self.node.id, self.node.fail_safe_w, self.jitter)
        self.agent = agents.start(terms, identity, f"{self.node.id}-{self.starts}", self.record)
        self.watch = Watch(self.clock.at(now_s))
        self.inbox = [Connected(), *self.retained]
        self.due_s, self.resumes_s, self.returns_s = now_s + self.phase_s, now_s, None
        self.driver.results()

    def kill(self, back_s: float | None) -> None:
        """End the agent's process; the watchdog hears its pipe close."""
        if self.agent is not None and self.watch is not None:
            self.watch = lose(self.watch)
        self.agent, self.inbox, self.crash_after = None, [], None
        self.returns_s = back_s if back_s is not None else self.returns_s

    def reboot(self, now_s: float, back_s: float) -> None:
        """Everything ends; the cards come back at their default, or capped behind a boot gate."""
        self.kill(back_s)
        self.watch = None
        self.clock.set(now_s, 0.0, 1.0)
        cap_w = self.driver.default_w
        if self.node.boot_gated:
            cap_w = self.node.fail_safe_w / self.node.cards
        self.driver.tell_truth()
        self.driver.restart(cap_w)
        self.plant.live.halt()
        self.serving = False

    def advance(self, now_s: float) -> list[Report]:
        """Let the processes of the host act at this moment; what the agent publishes."""
        self.driver.advance(now_s)
        if self.agent is None and self.returns_s is not None and now_s >= self.returns_s:
            self.start(now_s)
            self.serving = True
        self._guard(now_s)
        if self.agent is None or now_s < self.resumes_s:
            return []
        if now_s < self.due_s and not self.inbox:
            return []
        if now_s >= self.due_s:
            self.due_s = max(self.due_s + PERIOD_S, now_s)
        return list(self._step(now_s))

    def deliver(self, message: Message) -> None:
        """A message that has reached the host; nobody takes it while no agent runs."""
        if self.agent is not None:
            self.inbox.append(message)

    def _step(self, now_s: float) -> Iterator[Report]:
        assert self.agent is not None  # noqa: S101
        arrived = [*self.driver.results(), *self.inbox]
        self.inbox = []
        clock_s = self.clock.at(now_s)
        reading = Reading(clock_s, self._cards(), self._engine(), clock_s)
        self.agent, effects = agents.step(self.agent, reading, arrived, clock_s + LOOP_S)
        lease = self.agent.lease
        if self.watch is not None:
            fed = f"feed {int(lease.armed)} {lease.ends_s or 0.0!r}"
            self.watch = hear(self.watch, fed, clock_s)
        for position, effect in enumerate(effects):
            if self.crash_after is not None and position >= self.crash_after:
                self.kill(None)
                return
            yield from self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> Iterator[Report]:
        match effect:
            case WriteCap(uuid, limit_w):
                self.driver.begin(uuid, limit_w)
            case Journal(record):
                self.record = record
            case SetBatch(limit):
                node = self.plant.live
                node.set_batch_limit(max(1, min(limit, node.deployment.max_batch)))
            case SetClock(clock_mhz):
                self.inbox.append(ClockSet(clock_mhz))
            case Publish(message):
                yield message

    def _cards(self) -> tuple[CardReading, ...] | None:
        try:
            return self.driver.read()
        except GpuError:
            return None

    def _engine(self) -> EngineReading | None:
        """What the engine says, without latencies: nothing here is judged by them."""
        if not self.serving:
            return None
        node = self.plant.live
        return EngineReading(
            running=node.running,
            waiting=node.waiting,
            batch_limit=node.batch_limit,
            max_batch=node.deployment.max_batch,
            generation_tokens=node.tokens,
            itl_mean_ms=None,
            itl_p95_ms=None,
            ttft_p95_ms=None,
        )

    def _guard(self, now_s: float) -> None:
        """The watchdog process; it lives on when the agent dies, and goes when it is replaced."""
        watch = self.watch
        if watch is None or watch.dismissed:
            return
        due_s = watch.due_s(STALL_S)
        clock_s = self.clock.at(now_s)
        if due_s is None or clock_s < due_s:
            return
        if watch.orphaned and self.agent is not None:
            return
        try:
            tighten(self.driver, self.node.fail_safe_w)
            self.watch = succeed(watch)
        except GpuError:
            self.watch = postpone(watch, clock_s + RETRY_S, STALL_S)
