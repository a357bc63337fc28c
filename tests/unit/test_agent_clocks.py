"""Clock locks: a knob that is journaled, freed, tried again with patience, and never a limit."""

from collections.abc import Sequence
from dataclasses import replace

from agents.core import agent
from agents.core.agent import Identity
from agents.core.clocks import RETRY_S, Clocks, answered, asked, to_ask
from agents.core.effects import ClockSet, Effect, Journal, Message, Record, SetClock, WriteCap
from agents.core.lease import Terms
from orchestrator.domain.frontier import Candidate, Frontier
from tests.unit.test_agent_step import Node, report

LOCKED = Candidate(400.0, 32, 420.0, 170.0, clock_mhz=900.0)
FREE = Candidate(400.0, 32, 760.0, 180.0)
MODEL = Frontier("llama", "m1", 2, (FREE, LOCKED))
TARGET_TOK_S = 150.0


class Clocked(Node):
    """A node whose clocks answer, or fail."""

    def __init__(self, record: Record | None = None, *, knob: bool = True) -> None:
        super().__init__(record)
        knobs = ("cap", "clock", "batch") if knob else ("cap", "batch")
        identity = Identity("llama", "0.1.0", boot_gated=True, knobs=knobs)
        self.state = agent.start(Terms("n1", 500.0), identity, "run1", record or Record())
        self.error: str | None = None
        self.clock_mhz: float | None = None

    def step(self, *inbox: Message, reading: object = None) -> Sequence[Effect]:
        del reading
        effects = super().step(*inbox)
        for effect in effects:
            if isinstance(effect, SetClock):
                self.clock_mhz = self.clock_mhz if self.error else effect.clock_mhz
                self.results.append(ClockSet(effect.clock_mhz, self.error))
        return effects

    def run(self, seconds: float) -> list[Effect]:
        found: list[Effect] = []
        for _ in range(round(2 * seconds)):
            self.wait(0.5)
            found += self.step()
        return found

    def ask(self) -> list[Effect]:
        """A lease with a target that the locked point serves for fewer joules."""
        self.step(MODEL)
        return [*self.step(self.setpoint(800.0, TARGET_TOK_S)), *self.run(3.0)]


def locks(effects: Sequence[Effect]) -> list[float | None]:
    return [effect.clock_mhz for effect in effects if isinstance(effect, SetClock)]


def test_a_lock_is_journaled_before_it_is_asked_for_and_asked_for_once() -> None:
    node = Clocked()
    effects = node.ask()
    assert locks(effects) == [900.0]
    asked_at = effects.index(SetClock(900.0))
    journals = [e for e in effects[:asked_at] if isinstance(e, Journal)]
    assert journals[-1].record.locked
    assert report(node.run(0.5)).clock_mhz == 900.0


def test_without_the_knob_no_clock_is_ever_touched() -> None:
    node = Clocked(knob=False)
    assert locks(node.ask()) == []


def test_a_lock_does_not_keep_a_cap_above_its_ceiling() -> None:
    node = Clocked()
    node.ask()
    writes = [e for e in node.step(node.setpoint(500.0, TARGET_TOK_S)) if isinstance(e, WriteCap)]
    assert sum(write.limit_w for write in writes) <= 500.0


def test_a_lease_that_ends_frees_the_clocks_and_the_journal_forgets_them() -> None:
    node = Clocked()
    node.ask()
    effects = node.run(40.0)
    assert locks(effects) == [None]
    assert node.clock_mhz is None
    assert not [e for e in effects if isinstance(e, Journal)][-1].record.locked


def test_a_process_that_finds_a_lock_in_its_journal_frees_it_even_without_the_knob() -> None:
    node = Clocked(Record(locked=True), knob=False)
    assert locks(node.run(1.0)) == [None]


def test_a_lock_that_fails_is_not_reported_and_not_tried_again_for_a_minute() -> None:
    node = Clocked()
    node.error = "the driver refuses it"
    assert locks(node.ask()) == [900.0]
    assert report(node.run(0.5)).clock_mhz is None
    assert node.state.tuner.choice.clock_mhz is None


def test_nothing_is_asked_while_a_call_is_out_or_failed_lately() -> None:
    out = asked(Clocks(), 900.0)
    assert not to_ask(out, 800.0, 0.0)
    failed = answered(out, ClockSet(900.0, "no"), 10.0)
    assert not to_ask(failed, None, 10.0 + RETRY_S - 1.0)
    assert to_ask(failed, None, 10.0 + RETRY_S)
    assert answered(replace(failed, asking=True), ClockSet(None), 80.0) == Clocks()
