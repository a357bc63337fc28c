"""What one step composes: order of effects, reports, descriptions, gaps."""

from collections.abc import Sequence
from dataclasses import replace

from agents.core import agent
from agents.core.agent import AgentState, Identity
from agents.core.effects import (
    Connected,
    Effect,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    SetBatch,
    WriteCap,
    WriteResult,
)
from agents.core.lease import Terms
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import CardReading, Description, EngineReading, Telemetry

FRONTIER = Frontier(
    "llama", "m1", 2, (Candidate(200.0, 8, 380.0, 100.0), Candidate(400.0, 32, 760.0, 180.0))
)


class Node:
    """Two cards that draw a share of their limits, an engine, and the agent's state."""

    def __init__(self, record: Record | None = None) -> None:
        identity = Identity("llama", "0.1.0", boot_gated=True, knobs=("cap", "batch"))
        self.state: AgentState = agent.start(
            Terms("n1", 500.0), identity, "run1", record or Record()
        )
        self.limits_w = {"a": 700.0, "b": 700.0}
        self.energy_j = {"a": 0.0, "b": 0.0}
        self.batch, self.tokens, self.load = 32, 0.0, 1.0
        self.now_s, self.sequence = 50.0, 0
        self.results: list[Message] = []

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.tokens += 120.0 * seconds
        for uuid, limit_w in self.limits_w.items():
            self.energy_j[uuid] += limit_w * self.load * seconds

    def read(self) -> Reading:
        cards = tuple(
            CardReading(uuid, limit_w, 0.0, self.energy_j[uuid], 100.0, 700.0, 700.0)
            for uuid, limit_w in self.limits_w.items()
        )
        engine = EngineReading(8, 0, self.batch, 64, self.tokens, 20.0, 25.0, 300.0)
        return Reading(self.now_s, cards, engine, self.now_s)

    def step(self, *inbox: Message, reading: Reading | None = None) -> Sequence[Effect]:
        messages, self.results = [*self.results, *inbox], []
        self.state, effects = agent.step(self.state, reading or self.read(), messages, self.now_s)
        for effect in effects:
            if isinstance(effect, WriteCap):
                self.limits_w[effect.uuid] = effect.limit_w
                self.results.append(WriteResult(effect.uuid, effect.limit_w))
            if isinstance(effect, SetBatch):
                self.batch = effect.limit
        return effects

    def setpoint(self, limit_w: float, target_tok_s: float | None = None) -> Setpoint:
        self.sequence += 1
        incarnation = self.state.lease.incarnation
        fence = Fence(3, self.sequence)
        return Setpoint("n1", limit_w, target_tok_s, 30.0, fence, incarnation, self.now_s, "d")


def report(effects: Sequence[Effect]) -> Telemetry:
    last = effects[-1]
    assert isinstance(last, Publish)
    assert isinstance(last.message, Telemetry)
    return last.message


def messages(effects: Sequence[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Publish)]


def test_rates_need_two_readings_and_come_from_counters() -> None:
    node = Node()
    first = report(node.step())
    assert (first.power_w, first.tok_s, first.settled_s) == (None, None, 0.0)
    node.wait(0.5)
    second = report(node.step())
    assert (second.power_w, second.tok_s, second.settled_s) == (1400.0, 120.0, 0.5)
    assert second.stamp_s == 50.5


def test_an_unarmed_agent_writes_nothing_and_says_so() -> None:
    node = Node()
    effects = [*node.step(Connected(), FRONTIER), *node.step()]
    assert not [e for e in effects if isinstance(e, WriteCap | SetBatch | Journal)]
    assert report(effects).lease == "none"


def test_decreases_come_before_the_journal_and_raises_after_it() -> None:
    node = Node()
    node.limits_w = {"a": 700.0, "b": 100.0}
    node.step()
    kinds = [type(effect) for effect in node.step(node.setpoint(900.0))]
    assert kinds == [WriteCap, Journal, Publish, Publish]
    node = Node()
    node.limits_w = {"a": 300.0, "b": 300.0}
    node.step()
    kinds = [type(effect) for effect in node.step(node.setpoint(900.0))]
    assert kinds == [Journal, WriteCap, WriteCap, Publish, Publish]


def test_the_journal_holds_the_limits_from_before_the_first_setpoint() -> None:
    node = Node()
    node.step()
    journals = [e for e in node.step(node.setpoint(900.0)) if isinstance(e, Journal)]
    assert journals == [Journal(Record(True, 3, {"a": 700.0, "b": 700.0}))]
    node.step()
    assert not [e for e in node.step(node.setpoint(800.0)) if isinstance(e, Journal)]


def test_settling_starts_anew_with_every_write_and_needs_power_under_the_caps() -> None:
    node = Node()
    node.step()
    node.step(node.setpoint(800.0))
    assert report(node.step()).settled_s == 0.0
    node.wait(0.5)
    assert report(node.step()).settled_s == 0.5
    node.load = 1.5
    node.wait(0.5)
    assert report(node.step()).settled_s == 0.0
    node.load = 1.01
    node.wait(0.5)
    assert report(node.step()).settled_s == 0.5


def test_a_counter_that_moves_in_jumps_settles_all_the_same() -> None:
    node = Node()
    node.step()
    node.step(node.setpoint(800.0))
    node.step()
    heard = []
    for load in (1.1, 0.9, 1.1, 0.9):
        node.load = load
        node.wait(0.5)
        heard.append(report(node.step()).settled_s)
    assert heard[-1] == 2.0


def test_a_write_without_effect_on_the_limit_still_restarts_settling() -> None:
    node = Node()
    node.step()
    node.wait(0.5)
    node.step(node.setpoint(800.0))
    node.limits_w = {"a": 700.0, "b": 700.0}
    node.wait(0.5)
    heard = report(node.step())
    assert heard.settled_s == 0.0


def test_an_acknowledgement_says_when_the_cards_go_no_lower() -> None:
    node = Node()
    node.step()
    effects = node.step(node.setpoint(150.0))
    (ack,) = [message for message in messages(effects) if isinstance(message, Ack)]
    assert ack.accepted
    assert "no lower than 200 W" in ack.reason
    assert "50.0 W above" in report(effects).notes[0]


def test_the_batch_follows_the_caps_down_at_once_and_up_in_steps_after_read_back() -> None:
    node = Node()
    node.step(FRONTIER)
    assert SetBatch(8) in node.step(node.setpoint(400.0, 90.0))
    node.wait(0.5)
    effects = node.step(node.setpoint(800.0, 170.0))
    assert [e for e in effects if isinstance(e, WriteCap)]
    assert not [e for e in effects if isinstance(e, SetBatch)]
    assert SetBatch(8 + 64 // 16) in node.step()


def test_a_target_that_costs_less_than_the_ceiling_leaves_watts_unused() -> None:
    node = Node()
    node.step(FRONTIER)
    node.step(node.setpoint(1000.0, 90.0))
    assert node.limits_w == {"a": 200.0, "b": 200.0}


def test_a_frontier_of_another_deployment_is_ignored() -> None:
    node = Node()
    node.step(Frontier("other", "m", 2, FRONTIER.points))
    assert node.state.frontier is None


def test_a_description_follows_every_connect_once_the_cards_are_known() -> None:
    node = Node()
    effects = node.step(Connected(), reading=Reading(node.now_s, None))
    assert not [m for m in messages(effects) if isinstance(m, Description)]
    (found,) = [m for m in messages(node.step()) if isinstance(m, Description)]
    assert (found.cards, found.max_w, found.boot_gated) == (("a", "b"), 1400.0, True)
    assert not [m for m in messages(node.step()) if isinstance(m, Description)]


def test_a_gap_in_the_loop_is_a_new_incarnation_that_takes_the_limits_it_finds() -> None:
    node = Node()
    node.step()
    node.step(node.setpoint(800.0))
    node.step()
    stale = node.setpoint(900.0)
    node.limits_w = {"a": 250.0, "b": 250.0}
    node.wait(2.5)
    effects = node.step(stale)
    heard = report(effects)
    assert (heard.incarnation, heard.lease, heard.foreign) == ("run1.1", "expired", ())
    described, ack = messages(effects)[:2]
    assert isinstance(described, Description)
    assert described.incarnation == "run1.1"
    assert isinstance(ack, Ack)
    assert not ack.accepted
    node.step(node.setpoint(900.0))
    assert node.limits_w == {"a": 450.0, "b": 450.0}


def test_cards_that_do_not_answer_are_unknown_not_zero() -> None:
    node = Node()
    node.step()
    heard = report(node.step(reading=Reading(node.now_s, None)))
    assert (heard.enforced_w, heard.power_w, heard.tok_s, heard.running) == (None,) * 4
    assert heard.notes == ("a did not answer", "b did not answer")


def test_a_tightening_needs_no_reading() -> None:
    node = Node()
    node.step()
    effects = node.step(node.setpoint(800.0), reading=Reading(node.now_s, None))
    assert [e.limit_w for e in effects if isinstance(e, WriteCap)] == [400.0, 400.0]


def release(node: Node) -> Setpoint:
    return replace(node.setpoint(1400.0), release=True)


def test_a_release_brings_the_cards_back_to_their_limits_from_before() -> None:
    """They differed; afterwards the agent is as it was before its first setpoint."""
    node = Node()
    node.limits_w = {"a": 600.0, "b": 500.0}
    node.step()
    node.step(node.setpoint(400.0))
    node.wait(0.5)
    node.step()
    assert sum(node.limits_w.values()) == 400.0
    effects = node.step(release(node))
    for _ in range(70):
        node.wait(0.5)
        effects = node.step()
    assert node.limits_w == {"a": 600.0, "b": 500.0}
    assert report(effects).lease == "none"
    assert not node.state.record.armed
    assert not [e for e in effects if isinstance(e, WriteCap | SetBatch | Journal)]


def test_a_release_is_refused_when_nobody_knows_where_the_cards_were() -> None:
    node = Node(Record(armed=True))
    node.limits_w = {"a": 250.0, "b": 250.0}
    node.step()
    (ack,) = [m for m in messages(node.step(release(node))) if isinstance(m, Ack)]
    assert not ack.accepted
    assert "journal does not know" in ack.reason
    assert node.limits_w == {"a": 250.0, "b": 250.0}


TABLE = NodeTable("n1", "abc", (1200.0, 800.0, 400.0))
SHED = Shed(Fence(3, 1), 2, "abc", "d")


def test_a_shed_lowers_the_cards_in_the_step_that_hears_it_and_is_journalled() -> None:
    node = Node()
    node.step(TABLE, node.setpoint(1000.0))
    effects = node.step(SHED)
    assert [type(effect) for effect in effects[:3]] == [WriteCap, WriteCap, Journal]
    assert node.limits_w == {"a": 400.0, "b": 400.0}
    said = report(node.step())
    assert (said.shed, said.shed_level, said.limit_w) == (SHED.fence, 2, 800.0)


def test_a_setpoint_that_names_the_shed_lifts_it_and_another_does_not() -> None:
    node = Node()
    node.step(TABLE, node.setpoint(1000.0), SHED)
    node.step(node.setpoint(1000.0))
    assert node.limits_w == {"a": 400.0, "b": 400.0}
    node.step(replace(node.setpoint(1000.0), releases_shed=SHED.fence))
    assert node.limits_w == {"a": 500.0, "b": 500.0}


def test_shed_and_the_setpoint_that_ends_it_in_one_step_leave_the_setpoint() -> None:
    for order in (1, -1):
        node = Node()
        node.step(TABLE, node.setpoint(1400.0))
        last = replace(node.setpoint(1000.0), releases_shed=SHED.fence)
        effects = node.step(*(SHED, last)[::order])
        assert [e.limit_w for e in effects if isinstance(e, WriteCap)] == [500.0, 500.0]


def test_a_shed_survives_a_restart() -> None:
    node = Node()
    node.step(TABLE, node.setpoint(1000.0))
    (journal,) = [e for e in node.step(replace(SHED, level=3)) if isinstance(e, Journal)]
    again = Node(journal.record)
    again.step(again.setpoint(1000.0))
    assert again.limits_w == {"a": 200.0, "b": 200.0}


def test_an_unarmed_agent_is_not_moved_by_a_shed() -> None:
    node = Node()
    effects = node.step(TABLE, SHED)
    assert not [e for e in effects if isinstance(e, WriteCap)]
    assert report(effects).lease == "none"
