"""Allocations small enough to check by hand, and the input that is refused."""

import time
from dataclasses import replace

import pytest

from orchestrator.domain.allocation import problem as problem_module
from orchestrator.domain.allocation.problem import Device, LimitRow, Problem, Result
from orchestrator.domain.allocation.waterfill import allocate
from orchestrator.domain.errors import InvalidInput

FACILITY = LimitRow("facility", None, 1_000.0)
STEEP = ((100.0, 1_000.0), (300.0, 2_000.0))
FLAT = ((100.0, 1_000.0), (300.0, 1_400.0))


def device(name: str, points=STEEP, *, limits=("facility",), tier=3, **rest) -> Device:  # type: ignore[no-untyped-def]
    return Device(name, limits, 100.0, 400.0, tier=tier, points=points, **rest)


def solve(limit_w: float, *devices: Device, racks: tuple[LimitRow, ...] = ()) -> Result:
    return allocate(Problem((replace(FACILITY, limit_w=limit_w), *racks), devices))


def test_watts_go_where_they_buy_most() -> None:
    result = solve(450.0, device("a", FLAT), device("b", STEEP))
    assert result.allocations == pytest.approx({"a": 150.0, "b": 300.0})
    assert result.objective == pytest.approx(1_100.0 + 2_000.0)
    assert result.prices == pytest.approx({"facility": 2.0})
    assert result.points == {"a": 0, "b": 1}
    assert result.gap == 0


def test_a_weight_makes_tokens_dearer() -> None:
    result = solve(450.0, device("a", FLAT, weight=10.0), device("b", STEEP))
    assert result.allocations == pytest.approx({"a": 300.0, "b": 150.0})


def test_watts_beyond_the_last_point_are_not_spent() -> None:
    result = solve(10_000.0, device("a"))
    assert result.allocations == pytest.approx({"a": 300.0})
    assert result.binding == {"a": "more watts would buy it no tokens"}


def test_a_frontier_that_is_not_concave_is_used_along_its_hull() -> None:
    bent = ((100.0, 1_000.0), (200.0, 1_100.0), (300.0, 2_000.0))
    result = solve(200.0, device("a", bent))
    assert result.objective == pytest.approx(1_500.0)
    assert result.points == {"a": 1}


def test_a_full_rack_holds_its_own_and_frees_watts_for_others() -> None:
    racks = (LimitRow("rack-1", "facility", 250.0), LimitRow("rack-2", "facility", 900.0))
    result = solve(
        560.0,
        device("a", limits=("rack-1",)),
        device("b", limits=("rack-1",)),
        device("c", FLAT, limits=("rack-2",)),
        device("d", FLAT, limits=("rack-2",)),
        racks=racks,
    )
    assert result.allocations == pytest.approx({"a": 150.0, "b": 100.0, "c": 210.0, "d": 100.0})
    assert result.prices == pytest.approx({"facility": 2.0, "rack-1": 3.0, "rack-2": 0.0})
    assert result.binding["a"] == "rack-1 is full (250 W)"
    assert result.binding["b"] == "its own minimum: rack-1 is full (250 W)"
    assert result.binding["c"] == "facility is full (560 W)"


def test_service_floors_come_first_and_say_so() -> None:
    flat = device("a", FLAT, tier=1)
    result = solve(400.0, flat, device("b"))
    assert result.allocations["a"] == pytest.approx(230.0)
    assert result.binding["a"] == (
        "its service floor (tier 1: 90 % of 1,400 tok/s): "
        "facility is full (400 W), where the next watt is worth 5 tok/s and 2 here"
    )
    assert result.unmet == ()


def test_when_floors_do_not_fit_the_flexible_tier_gives_first_then_the_lower_priority() -> None:
    strict = device("a", tier=0)
    dear, cheap = device("b", tier=1, priority=1), device("c", tier=1)
    result = solve(600.0, strict, dear, cheap)
    assert result.allocations == pytest.approx({"a": 300.0, "b": 200.0, "c": 100.0})
    assert result.unmet == (
        (
            "b makes 1,500 tok/s, less than its service floor (tier 1: 90 % of 2,000 tok/s): "
            "facility is full (600 W)"
        ),
        (
            "c makes 1,000 tok/s, less than its service floor (tier 1: 90 % of 2,000 tok/s): "
            "facility is full (600 W)"
        ),
    )


def test_minima_above_the_budget_stay_and_are_named() -> None:
    result = solve(150.0, device("a"), device("b"))
    assert result.allocations == {"a": 100.0, "b": 100.0}
    assert result.unmet == (
        (
            "facility is exceeded by 50 W: at their lowest caps the 2 devices below it draw 200 W "
            "of 150 W, and no cap can go lower; stop some of them"
        ),
    )


def test_a_device_without_points_buys_at_the_mean_rate_of_the_others() -> None:
    result = solve(600.0, device("a", ()), device("b", tier=0))
    assert result.allocations == pytest.approx({"a": 300.0, "b": 300.0})
    assert result.objective == pytest.approx(2_000.0 + 300.0 * 2_000.0 / 300.0)


def test_a_device_that_cannot_move_counts_its_watts_and_no_made_up_tokens() -> None:
    fixed = Device("b", ("facility",), 250.0, 250.0)
    result = solve(450.0, device("a"), fixed)
    assert result.allocations == pytest.approx({"a": 200.0, "b": 250.0})
    assert result.objective == pytest.approx(1_500.0)
    assert result.binding["b"] == "its own maximum"


def test_ties_go_to_the_smaller_id() -> None:
    result = solve(300.0, device("b"), device("a"))
    assert result.allocations == pytest.approx({"a": 200.0, "b": 100.0})


def test_two_feeds_are_both_kept() -> None:
    feeds = (LimitRow("feed-a", None, 350.0), LimitRow("feed-b", None, 250.0))
    both, single = device("x", limits=("feed-a", "feed-b")), device("y", limits=("feed-a",))
    result = allocate(Problem(feeds, (both, single)))
    assert result.allocations == pytest.approx({"x": 250.0, "y": 100.0})


def test_ten_thousand_nodes_take_well_under_a_second() -> None:
    racks = tuple(LimitRow(f"rack-{index}", "facility", 4_000.0) for index in range(500))
    nodes = [
        device(
            f"node-{index}",
            tuple((100.0 + 25 * step, 1_000.0 + index % 97 + 50 * step) for step in range(12)),
            limits=(f"rack-{index % 500}",),
        )
        for index in range(10_000)
    ]
    problem = Problem((replace(FACILITY, limit_w=1.7e6), *racks), tuple(nodes))
    started = time.perf_counter()
    result = allocate(problem)
    assert time.perf_counter() - started < 2.0
    assert sum(result.allocations.values()) == pytest.approx(1.7e6)


@pytest.mark.parametrize(
    ("limits", "devices", "words"),
    [
        ((FACILITY, FACILITY), (), "limit ids are used twice: facility"),
        ((FACILITY,), (device("a"), device("a")), "device ids are used twice: a"),
        ((LimitRow("x", "y", 1.0),), (), "limit x: unknown parent y"),
        ((LimitRow("x", "y", 1.0), LimitRow("y", "x", 1.0)), (), "cycle: x -> y -> x"),
        ((LimitRow("x", None, float("nan")),), (), "limit x: limit_w must be finite"),
        ((LimitRow("x", None, -1.0),), (), "limit x: limit_w must be finite"),
        ((FACILITY,), (device("a", limits=("rack-9",)),), "device a: unknown limit rack-9"),
        ((FACILITY,), (device("a", limits=()),), "device a: name at least one limit"),
        ((FACILITY,), (Device("a", ("facility",), 200.0, 100.0),), "device a: needs 0 <= min_w"),
        ((FACILITY,), (Device("a", ("facility",), float("nan"), 1.0),), "needs 0 <= min_w"),
        ((FACILITY,), (device("a", tier=4),), "device a: tier must be 0, 1, 2 or 3"),
        ((FACILITY,), (device("a", weight=0.0),), "device a: weight must be above 0"),
        ((FACILITY,), (device("a", priority=2**40),), "device a: priority"),
        ((FACILITY,), (device("a", target_tok_s=float("nan")),), "device a: target_tok_s"),
        ((FACILITY,), (device("a", ((1.0, float("nan")),)),), "device a: point"),
        ((FACILITY,), (device("a", STEEP[::-1]),), "device a: points must rise in watts"),
        ((FACILITY,), (device("a", ((1.0, 5.0), (2.0, 4.0))),), "device a: throughput falls"),
    ],
)
def test_bad_problems_are_refused_by_name(
    limits: tuple[LimitRow, ...], devices: tuple[Device, ...], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        Problem(limits, devices)


def test_too_many_devices_are_refused_before_any_memory_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(problem_module, "MAX_DEVICES", 2)
    with pytest.raises(InvalidInput, match="3 devices: at most 2"):
        Problem((FACILITY,), (device("a"), device("b"), device("c")))
    monkeypatch.setattr(problem_module, "MAX_CELLS", 3)
    with pytest.raises(InvalidInput, match="frontiers of 2 points are too long"):
        Problem((FACILITY,), (device("a"), device("b")))


def test_a_facility_without_devices_is_no_error() -> None:
    result = allocate(Problem((FACILITY,), ()))
    assert (result.allocations, result.objective, result.gap) == ({}, 0.0, 0.0)
