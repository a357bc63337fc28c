from dataclasses import replace

import pytest

from orchestrator.domain.compliance import Ramps, ShortfallWatch
from orchestrator.domain.errors import InvalidTopology, UnsafeChange
from orchestrator.domain.failsafe import check_affordable, unaffordable
from orchestrator.domain.topology import Limit, Topology
from tests.facility import moment, node, topology


def test_an_affordable_fail_safe_is_accepted() -> None:
    check_affordable(topology())


def test_fail_safe_above_the_firm_limit_is_refused_with_the_watts() -> None:
    with pytest.raises(UnsafeChange, match=r"facility.*2100 W, above 2000 W"):
        check_affordable(topology(firm_limit_w=2000.0))


def test_every_limit_of_the_tree_is_checked() -> None:
    tree = topology()
    tight = replace(
        tree, limits=(tree.limits[0], replace(tree.limits[1], limit_w=900.0), tree.limits[2])
    )
    assert [problem.split(":")[0] for problem in unaffordable(tight)] == ["rack-a"]


def test_a_cycle_is_named() -> None:
    root = Limit("facility", "facility", 1000.0)
    one, two = Limit("x", "pdu", 500.0, "y"), Limit("y", "pdu", 500.0, "x")
    with pytest.raises(InvalidTopology, match="x -> y -> x"):
        Topology((root, one, two), (), 100.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": "nowhere"}, "unknown limit nowhere"),
        ({"tier": 4}, "tier must be"),
        ({"min_w": 0.0}, "0 < min_w"),
        ({"fail_safe_w": 2000.0}, "fail_safe_w <= nameplate_w"),
        ({"overhead_w": -1.0}, "cannot be negative"),
        ({"cards": 0}, "at least 1"),
    ],
)
def test_a_node_that_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidTopology, match=words):
        topology(nodes=(node("a1", "rack-a", **changes),))


def test_ids_are_unique_and_one_limit_is_the_root() -> None:
    with pytest.raises(InvalidTopology, match="used twice: a1"):
        topology(nodes=(node("a1", "rack-a"), node("a1", "rack-b")))
    with pytest.raises(InvalidTopology, match="no parent"):
        topology(limits=(Limit("x", "facility", 9.0), Limit("y", "facility", 9.0)))
    with pytest.raises(InvalidTopology, match="firm_limit_w"):
        topology(firm_limit_w=0.0)


def test_a_ramp_lets_the_old_limit_count_until_its_deadline_and_is_never_extended() -> None:
    ramps = Ramps()
    ramps.update({"facility": 100.0}, {}, 0.0)
    ramps.update({"facility": 70.0}, {"facility": 5.0}, 1.0)
    assert ramps.allowed_w("facility", 70.0, 5.9) == 100.0
    ramps.update({"facility": 60.0}, {"facility": 5.0}, 4.0)
    assert ramps.allowed_w("facility", 60.0, 5.9) == 100.0
    assert ramps.allowed_w("facility", 60.0, 6.0) == 70.0
    assert ramps.allowed_w("facility", 60.0, 9.0) == 60.0


def test_a_shortfall_is_the_integral_of_the_excess() -> None:
    watch = ShortfallWatch(measured=True)
    assert watch.update("facility", 110.0, 100.0, "cut", moment(0)) is None
    assert watch.update("facility", 130.0, 100.0, "cut", moment(1)) is None
    assert watch.open_limits() == {"facility"}
    record = watch.update("facility", 90.0, 100.0, "cut", moment(2))
    assert record is not None
    assert record.excess_ws == 40.0
    assert record.worst_w == 30.0
    assert watch.open_limits() == frozenset()


def test_a_lasting_shortfall_is_reported_while_it_lasts() -> None:
    watch = ShortfallWatch(measured=False)
    found = [watch.update("facility", 110.0, 100.0, "cut", moment(s)) for s in range(12)]
    assert [index for index, record in enumerate(found) if record] == [10]
