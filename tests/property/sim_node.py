"""A simulated host: cards that outlive their agent, and the real agent core in front of them."""

from dataclasses import dataclass, field
from random import Random

from agents.core import agent as agents
from agents.core.agent import AgentState, Identity
from agents.core.effects import (
    Connected,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    WriteCap,
    WriteResult,
)
from agents.core.lease import Terms
from orchestrator.domain.shed import NodeTable
from orchestrator.domain.telemetry import CardReading, Description, Telemetry
from orchestrator.domain.topology import Node


@dataclass
class SimNode:
    """Cards that always draw what they enforce. boot_s: when the agent's clock stood at 0.

    table: the retained row of the shed table, None where it never arrives.
    """

    node: Node
    boot_s: float = 0.0
    enforced_w: dict[str, float] = field(default_factory=dict)
    energy_j: dict[str, float] = field(default_factory=dict)
    inbox: list[Message] = field(default_factory=list)
    writing: list[tuple[float, WriteResult]] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    agent: AgentState | None = None
    starts: int = 0
    frozen_until_s: float = 0.0
    untold_until_s: float = 0.0
    rebooted: bool = False
    table: NodeTable | None = None

    def __post_init__(self) -> None:
        for index in range(self.node.cards):
            uuid = f"{self.node.id}-gpu{index}"
            self.enforced_w[uuid] = self.node.nameplate_w / self.node.cards
            self.energy_j[uuid] = 0.0
        self.start()

    @property
    def true_w(self) -> float:
        return sum(self.enforced_w.values())

    def start(self) -> None:
        """A new process with what the old one had written down."""
        self.starts += 1
        identity = Identity(self.node.deployment, "0.1.0", self.node.boot_gated, ("cap",))
        terms = Terms(self.node.id, self.node.fail_safe_w, jitter=0.2)
        name = f"{self.node.id}-run{self.starts}"
        self.agent = agents.start(terms, identity, name, self.record)
        self.inbox = [Connected(), *([self.table] if self.table else [])]

    def kill(self) -> None:
        self.agent = None
        self.inbox = []

    def reboot(self, now_s: float, blind_s: float) -> None:
        """Cards come back at their default limit, or at fail-safe behind a boot gate."""
        self.kill()
        self.writing = []
        self.boot_s = now_s
        self.untold_until_s = now_s + blind_s
        self.rebooted = True
        each_w = self.node.nameplate_w / self.node.cards
        if self.node.boot_gated:
            each_w = self.node.fail_safe_w / self.node.cards
        self.enforced_w = dict.fromkeys(self.enforced_w, each_w)

    def step(self, now_s: float, passed_s: float, random: Random) -> list[Telemetry | Description]:
        """Let time pass and run the agent; returns what it publishes."""
        for uuid, limit_w in self.enforced_w.items():
            self.energy_j[uuid] += limit_w * passed_s
        self._finish_writes(now_s)
        if self.agent is None or now_s < self.frozen_until_s:
            return []
        clock_s = now_s - self.boot_s
        arrived, self.inbox = self.inbox, []
        reading = Reading(clock_s, tuple(self._card(uuid) for uuid in self.enforced_w))
        self.agent, effects = agents.step(self.agent, reading, arrived, clock_s + 0.01)
        published: list[Telemetry | Description] = []
        for effect in effects:
            match effect:
                case Journal(record):
                    self.record = record
                case WriteCap(uuid, limit_w):
                    self._write(uuid, limit_w, now_s, random)
                case Publish(Telemetry() | Description() as message):
                    published.append(message)
        return published

    def _write(self, uuid: str, limit_w: float, now_s: float, random: Random) -> None:
        """The driver is slow now and then, and outlives the agent that called it."""
        error = "the driver failed" if random.random() < 0.05 else None
        takes_s = random.choice((0.0, 0.0, 0.0, 0.5, 1.5))
        self.writing.append((now_s + takes_s, WriteResult(uuid, limit_w, error)))
        self._finish_writes(now_s)

    def _finish_writes(self, now_s: float) -> None:
        """A write that failed may have worked all the same."""
        for _, result in (item for item in self.writing if item[0] <= now_s):
            if result.error is None or result.uuid.endswith("0"):
                self.enforced_w[result.uuid] = result.limit_w
            self.inbox.append(result)
        self.writing = [item for item in self.writing if item[0] > now_s]

    def _card(self, uuid: str) -> CardReading:
        limit_w, cards = self.enforced_w[uuid], self.node.cards
        highest_w = self.node.nameplate_w / cards
        return CardReading(
            uuid,
            limit_w,
            limit_w,
            self.energy_j[uuid],
            self.node.min_w / cards,
            highest_w,
            highest_w,
        )
