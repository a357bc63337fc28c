"""Rollout: cuts at once, raises as far as every limit has room."""

import pytest

from orchestrator.domain.rollout import Move, Standing, decreases, raises
from tests.site_samples import two_racks

TREE = two_racks()
ROOMY = {"site": 99_000.0, "rack-1": 99_000.0, "rack-2": 99_000.0}


def charges(**charged_w: float) -> dict[str, float]:
    return {"a": 400.0, "b": 400.0, "c": 400.0, "d": 400.0} | charged_w


def test_every_node_above_its_target_is_cut() -> None:
    standings = {"b": Standing(900, 500), "a": Standing(900, 600), "c": Standing(500, 500)}
    assert decreases(standings) == [Move("a", 600, "decrease"), Move("b", 500, "decrease")]


def test_a_raise_goes_to_its_target_where_there_is_room() -> None:
    assert raises(TREE, ROOMY, charges(), {"a": Standing(400, 900)}) == [Move("a", 900, "raise")]


@pytest.mark.parametrize("full", ["site", "rack-1"])
def test_a_raise_goes_no_further_than_its_tightest_limit(full: str) -> None:
    """Under the site 2000 W are drawn, under the rack 1000 W; 300 W are free."""
    rooms_w = ROOMY | {full: 2300.0 if full == "site" else 1300.0}
    assert raises(TREE, rooms_w, charges(), {"a": Standing(400, 900)}) == [Move("a", 700, "raise")]


def test_raises_share_the_room_and_the_largest_gap_comes_first() -> None:
    standings = {"a": Standing(400, 600), "b": Standing(400, 800)}
    found = raises(TREE, ROOMY | {"rack-1": 1450.0}, charges(), standings)
    assert found == [Move("b", 800, "raise"), Move("a", 450, "raise")]


def test_what_is_charged_already_costs_no_room() -> None:
    rooms_w = ROOMY | {"rack-1": 1500.0}
    found = raises(TREE, rooms_w, charges(a=900.0), {"a": Standing(400, 900)})
    assert found == [Move("a", 900, "raise")]


def test_nobody_rises_under_a_limit_that_is_exceeded() -> None:
    """Not even within what is charged: the draw would rise."""
    rooms_w = ROOMY | {"rack-1": 1400.0}
    standings = {"a": Standing(400, 900), "c": Standing(400, 900)}
    found = raises(TREE, rooms_w, charges(a=900.0), standings)
    assert found == [Move("c", 900, "raise")]


def test_small_steps_wait_unless_they_reach_the_target() -> None:
    """Two hundredths of 1400 W are 28 W."""
    rooms_w = ROOMY | {"rack-1": 1020.0}
    assert raises(TREE, rooms_w, charges(), {"a": Standing(400, 900)}) == []
    assert raises(TREE, rooms_w, charges(), {"a": Standing(400, 410)}) == [Move("a", 410, "raise")]


def test_a_node_at_its_target_is_left_alone() -> None:
    assert raises(TREE, ROOMY, charges(), {"a": Standing(900, 900)}) == []
