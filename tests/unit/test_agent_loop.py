"""The loop against cards that hang, a journal that fails and messages that make no sense."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from agents.core import agent
from agents.core.agent import Identity
from agents.core.effects import Record
from agents.core.lease import Terms
from agents.loop import AgentLoop, Outside, Pace
from integrations.messaging.memory import MemoryBroker, MemoryTransport
from integrations.wire import codec, topics
from orchestrator.domain.errors import EngineError
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.telemetry import CardReading, EngineReading, Telemetry


@dataclass
class Cards:
    """Cards in memory; a write to one in hanging waits for the gate."""

    limits_w: dict[str, float]
    hanging: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)

    def read(self) -> tuple[CardReading, ...]:
        return tuple(
            CardReading(uuid, limit_w, 0.0, 0.0, 100.0, 700.0, 700.0)
            for uuid, limit_w in self.limits_w.items()
        )

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        self.clock_mhz = clock_mhz

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        if uuid in self.hanging:
            self.gate.wait(10.0)
        self.limits_w[uuid] = limit_w


class DeadEngine:
    """An engine that never answers."""

    def read(self) -> EngineReading:
        raise EngineError("not up")

    def set_batch_limit(self, limit: int) -> None:
        raise EngineError(f"not up, so no batch limit of {limit}")


@dataclass
class Paper:
    """A journal in memory, that fails while full."""

    full: bool = False
    records: list[Record] = field(default_factory=list)

    def write(self, record: Record) -> None:
        if self.full:
            raise OSError("no space left")
        self.records.append(record)


class MonotonicClock:
    """Real seconds."""

    def now_s(self) -> float:
        return time.monotonic()


class Bench:
    """An agent's loop over an in-memory broker, turned by hand."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(immediate=True)
        self.cards = Cards({"a": 300.0, "b": 300.0})
        self.paper = Paper()
        self.desk: MemoryTransport = self.broker.transport("desk")
        self.desk.start()
        self.reports: list[Telemetry] = []
        self.desk.subscribe(topics.node("s", "n1", "telemetry"), self._report)
        outside = Outside(
            self.cards, DeadEngine(), self.broker.transport("n1"), MonotonicClock(), self.paper
        )
        identity = Identity("llama", "0.1.0", boot_gated=False, knobs=("cap",))
        state = agent.start(Terms("n1", 400.0), identity, "run1", Record())
        self.loop = AgentLoop(state, "s", outside, Pace(0.05, 0.1))
        self.sequence = 0
        self.thread = threading.Thread(target=self.loop.run)

    def _report(self, _topic: str, payload: bytes, _retained: bool) -> None:
        self.reports.append(codec.TELEMETRY.decode(payload))

    def send(self, limit_w: float) -> None:
        self.sequence += 1
        fence = Fence(1, self.sequence)
        setpoint = Setpoint("n1", limit_w, None, 30.0, fence, "run1", time.monotonic(), "d")
        self.desk.publish(topics.node("s", "n1", "setpoint"), codec.SETPOINT.encode(setpoint))

    def cycles(self, count: int) -> None:
        for _ in range(count):
            self.loop.cycle(self.loop._collect(0.01))


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.loop._listen()
    found.cycles(2)
    return found


def test_a_connect_leaves_a_description_and_the_online_state(bench: Bench) -> None:
    retained = bench.broker.retained
    assert codec.NODE_STATE.decode(retained[topics.node("s", "n1", "state")]) == codec.ONLINE
    assert codec.DESCRIPTION.decode(retained[topics.node("s", "n1", "desc")]).cards == ("a", "b")


def test_a_setpoint_is_applied_and_read_back_without_waiting_for_the_engine(bench: Bench) -> None:
    bench.send(500.0)
    bench.cycles(2)
    assert bench.cards.limits_w == {"a": 250.0, "b": 250.0}
    assert bench.reports[-1].enforced_w == 500.0
    assert bench.paper.records[-1].armed


def test_a_card_that_hangs_bounds_the_loop_and_not_the_other_card(bench: Bench) -> None:
    bench.cards.hanging.add("a")
    begin_s = time.monotonic()
    bench.send(500.0)
    bench.cycles(2)
    assert time.monotonic() - begin_s < 1.0
    assert bench.cards.limits_w["b"] < 300.0
    assert bench.reports[-1].pending_w is not None
    bench.cards.gate.set()
    bench.cards.hanging.clear()
    deadline_s = time.monotonic() + 2.0
    while bench.cards.limits_w["a"] != 250.0 and time.monotonic() < deadline_s:
        bench.cycles(1)
    bench.cycles(2)
    assert bench.cards.limits_w == {"a": 250.0, "b": 250.0}


def test_nothing_is_raised_before_the_journal_is_safe_and_everything_lowered(bench: Bench) -> None:
    bench.paper.full = True
    bench.send(1000.0)
    bench.cycles(3)
    assert bench.cards.limits_w == {"a": 300.0, "b": 300.0}
    assert "journal" in bench.reports[-1].notes[0]
    bench.send(500.0)
    bench.cycles(2)
    assert bench.cards.limits_w == {"a": 250.0, "b": 250.0}
    bench.paper.full = False
    bench.send(1000.0)
    bench.cycles(3)
    assert bench.cards.limits_w == {"a": 500.0, "b": 500.0}


def test_a_message_that_makes_no_sense_changes_nothing(bench: Bench) -> None:
    bench.desk.publish(topics.node("s", "n1", "setpoint"), b'{"limit_w": 1}')
    bench.desk.publish(topics.node("s", "n1", "frontier"), b"\xff")
    bench.cycles(2)
    assert bench.loop.state.lease.status == "none"
    assert bench.cards.limits_w == {"a": 300.0, "b": 300.0}


def test_a_stop_says_offline_and_leaves_the_caps() -> None:
    bench = Bench()
    bench.thread.start()
    deadline_s = time.monotonic() + 2.0
    while not bench.reports and time.monotonic() < deadline_s:
        time.sleep(0.01)
    bench.loop.stop()
    bench.thread.join(3.0)
    assert not bench.thread.is_alive()
    retained = bench.broker.retained[topics.node("s", "n1", "state")]
    assert codec.NODE_STATE.decode(retained) == codec.OFFLINE
    assert bench.cards.limits_w == {"a": 300.0, "b": 300.0}
