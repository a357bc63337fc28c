"""The tree of limits: what is refused, and what lies below what."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.errors import InvalidTopology
from orchestrator.domain.topology import Limit, Topology
from tests.site_samples import node, two_racks

NAN, INFINITE = float("nan"), float("inf")


def test_a_node_hangs_on_every_limit_up_to_the_root() -> None:
    tree = two_racks()
    assert tree.path_of["c"] == ("rack-2", "site")
    assert [n.id for n in tree.nodes_under["site"]] == ["a", "b", "c", "d"]
    assert [n.id for n in tree.nodes_under["rack-1"]] == ["a", "b"]
    assert tree.root.id == "site"


def test_uncontrolled_load_counts_at_its_limit_and_above() -> None:
    assert two_racks().uncontrolled_under_w == {"site": 200.0, "rack-1": 50.0, "rack-2": 0.0}


def test_draw_and_limit_are_each_others_inverse() -> None:
    host = replace(node("a"), tolerance=0.02, overhead_fraction=0.05)
    assert host.draw_w(1000.0) == pytest.approx(1000 * 1.02 * 1.05 + 100)
    assert host.limit_for(host.draw_w(1000.0)) == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"firm_limit_w": 0.0}, "firm_limit_w"),
        ({"firm_limit_w": NAN}, "firm_limit_w"),
        ({"firm_limit_w": INFINITE}, "firm_limit_w"),
        ({"nodes": (node("a"), node("a"))}, "used twice: a"),
        ({"nodes": (node("a", "nowhere"),)}, "unknown limit nowhere"),
        ({"limits": (Limit("site", "facility", 1.0), Limit("b", "rack", 1.0))}, "exactly one"),
        ({"limits": (Limit("site", "facility", 1.0, "b"), Limit("b", "rack", 1.0, "site"))},
         "found none"),
    ],
)  # fmt: skip
def test_a_tree_that_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTopology, match=words):
        replace(two_racks(), **change)


def test_a_cycle_beside_the_root_is_refused() -> None:
    limits = (
        Limit("site", "facility", 1.0),
        Limit("b", "pdu", 1.0, "c"),
        Limit("c", "pdu", 1.0, "b"),
    )
    with pytest.raises(InvalidTopology, match="cycle: b -> c -> b"):
        Topology(limits, (), 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "room"},
        {"parent": "nowhere"},
        {"limit_w": 0.0},
        {"limit_w": NAN},
        {"limit_w": INFINITE},
        {"uncontrolled_w": -1.0},
        {"uncontrolled_w": NAN},
        {"reserve_w": NAN},
        {"reserve_w": INFINITE},
    ],
)
def test_a_limit_with_a_bad_number_or_name_is_refused(change: dict[str, Any]) -> None:
    """Not a number least of all: every comparison with it is false."""
    tree = two_racks()
    with pytest.raises(InvalidTopology, match="rack-2"):
        replace(tree, limits=(*tree.limits[:2], replace(tree.limits[2], **change)))


@pytest.mark.parametrize(
    "change",
    [
        {"min_w": 0.0},
        {"min_w": 700.0},
        {"fail_safe_w": 1500.0},
        {"nameplate_w": INFINITE},
        {"tier": 4},
        {"cards": 0},
        {"overhead_w": -1.0},
        {"overhead_fraction": NAN},
        {"tolerance": INFINITE},
        {"weight": 0.0},
        {"weight": NAN},
    ],
)
def test_a_node_with_a_bad_number_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidTopology, match="node a"):
        Topology((Limit("rack-1", "rack", 1.0),), (replace(node("a"), **change),), 1.0)
