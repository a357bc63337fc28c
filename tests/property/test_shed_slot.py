"""Whatever sheds and setpoints arrive, in whatever order: the slot never loosens by itself."""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from agents.core import lease as leases
from agents.core.lease import Lease, Terms
from agents.core.shed import Sheds, hear, learn, release
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.shed import NodeTable, Shed

TERMS = Terms("n1", fail_safe_w=900.0)
CAPS_W = (2000.0, 1500.0, 900.0, 500.0)
ENFORCED_W = 2100.0

fences = st.builds(Fence, st.integers(1, 3), st.integers(1, 4))
broadcasts = st.builds(Shed, fences, st.integers(0, 6), st.sampled_from(("new", "old")))
setpoints = st.builds(
    Setpoint,
    st.just("n1"),
    st.floats(300, 2100),
    st.none(),
    st.sampled_from((2.0, 20.0)),
    st.builds(Fence, st.integers(1, 3), st.integers(1, 12)),
    st.sampled_from(("run1", "run1", "run0")),
    st.floats(99, 101),
    st.just("d"),
    st.none() | fences,
)
tables = st.builds(NodeTable, st.just("n1"), st.sampled_from(("new", "old")), st.just(CAPS_W))
messages = st.one_of(broadcasts, setpoints, tables, st.floats(0.1, 5.0))


@dataclass
class Node:
    """A lease and a slot, as an agent's step treats them."""

    lease: Lease = field(default_factory=lambda: Lease("run1"))
    sheds: Sheds = field(default_factory=Sheds)
    now_s: float = 101.0

    def take(self, message: Shed | Setpoint | NodeTable | float) -> None:
        match message:
            case Shed():
                self.sheds, self.lease = hear(TERMS, self.sheds, self.lease, message, ENFORCED_W)
            case Setpoint():
                self.lease, _ = leases.receive(TERMS, self.lease, message, ENFORCED_W, self.now_s)
                self.sheds = release(self.sheds, self.lease, message)
            case NodeTable():
                self.sheds = learn(TERMS, self.sheds, message)
            case float():
                self.now_s += message
                self.lease = leases.advance(TERMS, self.lease, ENFORCED_W, self.now_s)


def lawful(node: Node, setpoint: Setpoint) -> bool:
    """Whether the setpoint, before it is taken, would be granted as a lease."""
    lease = node.lease
    return (
        setpoint.incarnation == lease.incarnation
        and setpoint.fence > lease.fence
        and setpoint.fence.epoch >= lease.highest_epoch
        and setpoint.stamp_s <= node.now_s < setpoint.ends_s
    )


@given(st.lists(messages, max_size=40))
def test_only_a_lease_that_names_the_shed_or_a_later_one_loosens_the_slot(
    story: list[Shed | Setpoint | NodeTable | float],
) -> None:
    node = Node()
    for message in story:
        before = node.sheds.slot
        ends = (
            isinstance(message, Setpoint)
            and message.releases_shed is not None
            and message.releases_shed >= before.fence
            and lawful(node, message)
        )
        node.take(message)
        after = node.sheds.slot
        assert after.fence >= before.fence
        if before.cap_w is not None and not ends:
            assert after.cap_w is not None
            assert after.cap_w <= before.cap_w


@given(st.lists(messages, max_size=40))
def test_the_ceiling_never_passes_lease_or_slot_and_falls_to_what_a_new_shed_says(
    story: list[Shed | Setpoint | NodeTable | float],
) -> None:
    node = Node()
    for message in story:
        known, newest = node.sheds.table, node.sheds.slot.fence
        node.take(message)
        ceiling_w = node.sheds.ceiling_w(node.lease)
        if ceiling_w is None:
            assert not node.lease.armed or node.lease.ceiling_w is None
            continue
        assert node.lease.ceiling_w is not None
        assert ceiling_w <= node.lease.ceiling_w
        if node.sheds.slot.cap_w is not None:
            assert ceiling_w <= node.sheds.slot.cap_w
        if isinstance(message, Shed) and not message.canary and message.fence > newest:
            meant = known is not None and known.table == message.table
            level_w = CAPS_W[min(message.level, 4) - 1]
            assert ceiling_w <= (level_w if meant else TERMS.fail_safe_w)


@given(st.lists(broadcasts, max_size=12), st.randoms(use_true_random=False))
def test_the_order_and_number_of_sheds_do_not_matter(story: list[Shed], random: Random) -> None:
    granted = Setpoint("n1", 2100.0, None, 20.0, Fence(3, 1), "run1", 100.0, "d")
    first, second = Node(), Node()
    for node in (first, second):
        node.take(NodeTable("n1", "new", CAPS_W))
        node.take(granted)
    shuffled = [*story, *story[::2]]
    random.shuffle(shuffled)
    for message in story:
        first.take(message)
    for message in shuffled:
        second.take(message)
    assert first.sheds.slot.cap_w == second.sheds.slot.cap_w
    assert first.sheds.slot.fence == second.sheds.slot.fence
    assert first.sheds.canary == second.sheds.canary
