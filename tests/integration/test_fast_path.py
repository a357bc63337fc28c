"""Real agent loops and the real control step over a broker in memory: one message moves all."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from agents.core import agent
from agents.core.agent import Identity
from agents.core.effects import Message, Record
from agents.core.lease import Terms
from agents.loop import AgentLoop, Outside, Pace
from integrations.messaging.access import Principal, node_principal, orchestrator_principal
from integrations.messaging.memory import MemoryBroker
from integrations.wire import codec, topics
from orchestrator.control.state import ControlSettings, new_state
from orchestrator.control.step import step
from orchestrator.control.view import view
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.shed import Shed
from orchestrator.domain.telemetry import CardReading
from orchestrator.domain.topology import Node
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    GrantCommitted,
    Input,
    SendShed,
    SignalCancelled,
    SignalReceived,
)
from orchestrator.ports import Takeover
from orchestrator.runtime.inbox import NodeInbox
from orchestrator.runtime.outbox import Outbox
from orchestrator.runtime.shed_tables import ShedTablePublisher
from tests.site_samples import at, signal, two_racks

SITE = "lab"
TREE = two_racks()
TICK_S = 0.25


@dataclass
class Cards:
    """Two cards that draw what they may."""

    limits_w: dict[str, float] = field(default_factory=lambda: {"x": 700.0, "y": 700.0})

    @property
    def sum_w(self) -> float:
        return sum(self.limits_w.values())

    def read(self) -> tuple[CardReading, ...]:
        return tuple(
            CardReading(uuid, limit_w, limit_w, 0.0, 200.0, 700.0, 700.0)
            for uuid, limit_w in self.limits_w.items()
        )

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        self.limits_w[uuid] = limit_w

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        raise AssertionError(f"nobody asked for {clock_mhz} MHz")


class Shelf:
    """Takes what is to be kept, and keeps nothing."""

    def write(self, record: Record) -> None:
        pass

    def put_node(self, *_: object) -> None:
        pass


@dataclass
class Ticks:
    """One clock for all."""

    seconds: float = 10.0

    def now_s(self) -> float:
        return self.seconds


class Site:
    """Four nodes, an orchestrator and a broker with every principal's own rights."""

    def __init__(self, *without_shed: str) -> None:
        self.clock, self.broker = Ticks(), MemoryBroker(immediate=True)
        self.cards = {node.id: Cards() for node in TREE.nodes}
        settings = ControlSettings(SITE, ttl_s=6.0, recovery_s=1.0)
        self.state = new_state(settings, TREE, Takeover(1, {}), (), at(self.clock.seconds))
        self.inputs: list[Input] = [ArmingChanged(frozenset({"site"}))]
        desk = self.broker.transport("desk", principal=orchestrator_principal(SITE))
        NodeInbox(SITE, desk, self.inputs.append, Shelf()).subscribe()
        self.outbox = Outbox(SITE, desk, self._record)
        self.losing: frozenset[str] = frozenset()
        desk.start()
        ShedTablePublisher(SITE, TREE, desk).publish()
        self.loops = {
            node.id: self._loop(node, shed=node.id not in without_shed) for node in TREE.nodes
        }

    def _loop(self, node: Node, *, shed: bool) -> AgentLoop:
        principal = node_principal(SITE, node.id)
        transport = self.broker.transport(
            principal.name, principal=principal if shed else _without_shed(principal)
        )
        identity = Identity(node.deployment, "0.1.0", boot_gated=False, knobs=("cap",))
        state = agent.start(Terms(node.id, node.fail_safe_w), identity, "run1", Record())
        outside = Outside(self.cards[node.id], None, transport, self.clock, Shelf())
        loop = AgentLoop(state, SITE, outside, Pace())
        loop._listen()
        return loop

    def _arrived(self, loop: AgentLoop) -> list[Message]:
        """What reached an agent; setpoints of those in losing did not."""
        lost = loop.state.terms.node in self.losing
        return [m for m in loop._collect(0.0) if not (lost and isinstance(m, Setpoint))]

    def _record(self, effect: Effect) -> None:
        if isinstance(effect, CommitGrants):
            self.inputs += [GrantCommitted(grant.node, grant.fence) for grant in effect.grants]

    def agents(self) -> None:
        for loop in self.loops.values():
            loop.cycle(self._arrived(loop))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.clock.seconds += TICK_S
            self.agents()
            self.control()

    def control(self, *inputs: Input) -> None:
        taken = [*self.inputs, *inputs]
        self.inputs.clear()
        self.outbox.carry_out(step(self.state, taken, at(self.clock.seconds)))

    def charged_w(self, name: str) -> float:
        return self.state.charged_w(TREE.node_by_id[name], self.clock.seconds)

    def draw_w(self) -> float:
        nodes_w = sum(n.draw_w(self.cards[n.id].sum_w) for n in TREE.nodes)
        return nodes_w + TREE.uncontrolled_under_w["site"]

    def sheddable(self) -> set[str]:
        shown = view(self.state, at(self.clock.seconds)).nodes
        return {node.id for node in shown if node.sheddable}


def _without_shed(principal: Principal) -> Principal:
    kept = tuple(topic for topic in principal.subscribe if topic != topics.shed(SITE))
    return replace(principal, subscribe=kept)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    found.run(15.0)
    yield found
    assert found.outbox.unsent == 0


def test_one_broadcast_moves_every_agent_at_its_next_step(site: Site) -> None:
    before_w = site.draw_w()
    table = site.state.broadcasts.table(TREE)
    shed = site.state.broadcasts.begin(1, 14, table.hash, "d-1", site.clock.seconds)
    site.outbox.carry_out([SendShed(shed)])
    site.agents()
    assert site.draw_w() < before_w
    for node in TREE.nodes:
        assert site.cards[node.id].sum_w == pytest.approx(table.of(node.id).cap_w(14), abs=0.1)


def test_an_emergency_keeps_the_firm_limit_and_ends_without_a_slot_in_force(site: Site) -> None:
    one = signal(kind="emergency", value=None, ends_s=900)
    site.control(SignalReceived(one, stored=True))
    site.agents()
    assert site.draw_w() <= TREE.firm_limit_w
    site.run(5.0)
    assert 0.95 * TREE.firm_limit_w <= site.draw_w() <= TREE.firm_limit_w
    assert all(loop.state.sheds.slot.cap_w is None for loop in site.loops.values())
    site.control(SignalCancelled(one.key))
    site.run(10.0)
    assert site.draw_w() > 0.95 * TREE.root.limit_w


def test_while_setpoints_are_lost_the_shed_holds_and_counts_only_when_it_is_read_back(
    site: Site,
) -> None:
    held_w = {name: site.charged_w(name) for name in "abcd"}
    site.losing = frozenset("abcd")
    site.control(SignalReceived(signal(kind="emergency", value=None, ends_s=900), stored=True))
    assert {name: site.charged_w(name) for name in "abcd"} == held_w
    for _ in range(16):
        site.run(TICK_S)
        assert all(site.cards[name].sum_w <= site.charged_w(name) + 0.1 for name in "abcd")
    assert site.draw_w() <= TREE.firm_limit_w
    assert all(site.charged_w(name) < held_w[name] for name in "abcd")
    site.losing = frozenset()
    for _ in range(32):
        site.run(TICK_S)
        assert all(site.cards[name].sum_w <= site.charged_w(name) + 0.1 for name in "abcd")
        assert site.draw_w() <= TREE.firm_limit_w
    assert all(loop.state.sheds.slot.cap_w is None for loop in site.loops.values())


def test_a_broadcast_of_another_table_takes_everybody_to_fail_safe(site: Site) -> None:
    last = site.state.broadcasts.begin(1, 1, "of-another-site", "d-1", site.clock.seconds)
    site.outbox.carry_out([SendShed(last)])
    site.agents()
    assert {round(cards.sum_w) for cards in site.cards.values()} == {600}


def test_every_node_that_may_hear_broadcasts_is_sheddable(site: Site) -> None:
    assert site.sheddable() == set("abcd")


def test_a_subscription_that_the_broker_only_pretends_to_grant_is_found_out() -> None:
    site = Site("c")
    site.run(15.0)
    assert site.sheddable() == set("abd")
    site.control(SignalReceived(signal(kind="emergency", value=None, ends_s=900), stored=True))
    site.run(2.0)
    assert site.draw_w() <= TREE.firm_limit_w


def test_an_agent_cannot_shed_the_site(site: Site) -> None:
    rogue = site.broker.transport("rogue", principal=node_principal(SITE, "a"))
    rogue.start()
    caps_w = {name: cards.sum_w for name, cards in site.cards.items()}
    rogue.publish(topics.shed(SITE), codec.SHED.encode(Shed(Fence(1, 99), 16, "")), qos=1)
    site.agents()
    assert {name: cards.sum_w for name, cards in site.cards.items()} == caps_w
