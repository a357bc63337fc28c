"""What the levels of a shed are, and which is deep enough."""

from dataclasses import replace

import pytest

from orchestrator.domain.budget import available_w
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.shed_table import LEVELS, shallowest, shed_table
from orchestrator.domain.topology import Topology
from tests.site_samples import two_racks

TREE = two_racks()
TABLE = shed_table(TREE)
EVERYBODY = frozenset(node.id for node in TREE.nodes)


def level(site_w: float, held_w: float = 1400.0, sheddable: frozenset[str] = EVERYBODY) -> int:
    rooms_w = available_w(TREE, {"site": site_w})
    return shallowest(TREE, TABLE, rooms_w, dict.fromkeys(EVERYBODY, held_w), sheddable)


def draw_w(depth: int, held_w: float = 1400.0) -> float:
    caps_w = {name: min(held_w, TABLE.of(name).cap_w(depth)) for name in EVERYBODY}
    return draws_under_w(TREE, caps_w)["site"] + 200.0


def test_deeper_levels_are_lower_down_to_fail_safe_and_the_lowest_cap() -> None:
    caps_w = TABLE.caps_w["a"]
    assert list(caps_w) == sorted(set(caps_w), reverse=True)
    assert caps_w[0] < 1400.0
    assert caps_w[-2:] == (600.0, 400.0)


def test_a_level_beyond_the_table_is_the_tightest() -> None:
    assert TABLE.of("a").cap_w(LEVELS + 5) == 400.0


def test_the_hash_names_the_tables_content_and_nothing_else() -> None:
    assert shed_table(two_racks(site_w=9000.0)).hash == TABLE.hash
    lower = replace(TREE.nodes[0], min_w=350.0)
    changed = Topology(TREE.limits, (lower, *TREE.nodes[1:]), TREE.firm_limit_w)
    assert shed_table(changed).hash != TABLE.hash
    assert TABLE.of("a").table == TABLE.of("b").table == TABLE.hash


@pytest.mark.parametrize("site_w", [5500.0, 5000.0, 4000.0, 3200.0])
def test_the_level_is_the_shallowest_that_keeps_the_limit(site_w: float) -> None:
    found = level(site_w)
    assert draw_w(found) <= site_w + 1.0
    assert found == 1 or draw_w(found - 1) > site_w


def test_the_firm_limit_never_needs_the_tightest_level() -> None:
    assert level(3200.0) < LEVELS


def test_what_no_level_keeps_takes_the_tightest() -> None:
    assert level(1000.0) == LEVELS


def test_every_limit_of_the_tree_counts() -> None:
    rooms_w = available_w(TREE, {"rack-2": 1500.0})
    found = shallowest(TREE, TABLE, rooms_w, dict.fromkeys(EVERYBODY, 1400.0), EVERYBODY)
    assert 2 * (TABLE.of("c").cap_w(found) + 100.0) <= 1501.0


def test_who_cannot_be_shed_leaves_more_to_the_others() -> None:
    assert level(5000.0, sheddable=frozenset("abc")) > level(5000.0)
