"""The three policies of a problem file, small enough to check by hand."""

from typing import Any

import pytest

from tests.allocation_problems import answer_to

POINTS = [[100.0, 1_000.0], [200.0, 1_800.0], [300.0, 2_200.0]]


def device(name: str, *limits: str, **fields: Any) -> dict[str, Any]:
    base = {"id": name, "limits": list(limits or ("site",)), "min_w": 100.0, "max_w": 400.0}
    return base | fields


def problem(policy: str, site_w: float, *devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    limits = [{"id": "site", "parent": None, "limit_w": site_w}]
    return {"policy": policy, "limits": limits, "devices": list(devices), **more}


def test_fair_cuts_every_request_by_the_same_watts() -> None:
    answer = answer_to(
        problem("fair", 500.0, device("a", request_w=400.0), device("b", request_w=200.0))
    )
    assert answer.allocations == pytest.approx({"a": 350.0, "b": 150.0})
    assert answer.objective == pytest.approx(2 * 50.0**2)
    assert answer.prices == pytest.approx({"site": 100.0})
    assert answer.binding == {
        "a": "below its request: site (500 W) is full",
        "b": "below its request: site (500 W) is full",
    }
    assert answer.unmet == ("2 active devices get 100 W less than requested: site (500 W) is full",)
    assert answer.points == {}


def test_fair_serves_the_larger_priority_first() -> None:
    answer = answer_to(
        problem(
            "fair",
            500.0,
            device("a", request_w=350.0),
            device("b", request_w=350.0, priority=1),
        )
    )
    assert answer.allocations == pytest.approx({"a": 150.0, "b": 350.0})


def test_fair_gives_what_is_left_to_the_active_and_then_to_the_idle() -> None:
    devices = (device("a", request_w=150.0), device("b", request_w=250.0, active=False))
    within = answer_to(problem("fair", 450.0, *devices))
    assert within.allocations == pytest.approx({"a": 350.0, "b": 100.0})
    beyond = answer_to(problem("fair", 600.0, *devices))
    assert beyond.allocations == pytest.approx({"a": 400.0, "b": 200.0})
    assert beyond.objective == 0


def test_fair_keeps_a_full_rack_to_itself() -> None:
    racked = problem(
        "fair", 1_000.0,
        device("a", "rack", request_w=300.0), device("b", "rack", request_w=300.0),
        device("c", request_w=300.0),
    )  # fmt: skip
    racked["limits"].append({"id": "rack", "parent": "site", "limit_w": 400.0})
    answer = answer_to(racked)
    assert answer.allocations == pytest.approx({"a": 200.0, "b": 200.0, "c": 400.0})
    assert answer.prices == pytest.approx({"rack": 200.0, "site": 0.0})


def test_tenants_cut_across_racks_and_their_maximum_has_a_price() -> None:
    racked = problem(
        "fair", 1_000.0,
        device("a", request_w=300.0), device("b", request_w=300.0), device("c", request_w=300.0),
        tenants=[{"id": "t", "devices": ["a", "b"], "max_w": 400.0}],
    )  # fmt: skip
    answer = answer_to(racked)
    assert answer.allocations == pytest.approx({"a": 200.0, "b": 200.0, "c": 400.0})
    assert answer.tenant_prices == pytest.approx({"t": 200.0})
    assert answer.gap == pytest.approx(0.0, abs=1e-9)


def test_a_tenants_minimum_lifts_its_idle_devices_before_its_active_ones() -> None:
    answer = answer_to(
        problem(
            "fair",
            700.0,
            device("a", request_w=100.0),
            device("b", active=False),
            device("c", request_w=300.0),
            tenants=[{"id": "t", "devices": ["a", "b"], "min_w": 400.0}],
        )
    )
    assert answer.allocations == pytest.approx({"a": 100.0, "b": 300.0, "c": 300.0})


def test_a_budget_lies_over_all_limits() -> None:
    answer = answer_to(problem("fair", 900.0, device("a"), device("b"), budget_w=300.0))
    assert answer.allocations == pytest.approx({"a": 150.0, "b": 150.0})
    assert answer.prices["budget_w"] == pytest.approx(500.0)
    assert answer.prices["site"] == 0


def test_each_of_two_feeds_carries_the_whole_load_that_hangs_on_it() -> None:
    both = {
        "policy": "fair",
        "limits": [{"id": "feed-a", "limit_w": 350.0}, {"id": "feed-b", "limit_w": 250.0}],
        "devices": [
            device("x", "feed-a", "feed-b", min_w=0.0),
            device("y", "feed-a"),
            device("z", "feed-b"),
        ],
    }
    answer = answer_to(both)
    assert answer.allocations == pytest.approx({"x": 200 / 3, "y": 850 / 3, "z": 550 / 3})
    assert answer.gap == pytest.approx(0.0, abs=1e-9)


def test_throughput_chooses_one_point_a_device_and_gives_watts_where_they_buy_most() -> None:
    steep, flat = [[100.0, 1_000.0], [200.0, 2_000.0]], [[100.0, 1_000.0], [200.0, 1_100.0]]
    answer = answer_to(
        problem("throughput", 300.0, device("a", frontier=flat), device("b", frontier=steep))
    )
    assert answer.points == {"a": 0, "b": 1}
    assert answer.allocations == {"a": 100.0, "b": 200.0}
    assert (answer.objective, answer.upper_bound, answer.gap) == (3_000.0, 3_000.0, 0.0)
    assert answer.binding == {
        "a": "site (300 W) has no room for its next point",
        "b": "more watts would buy it no tokens",
    }


def test_throughput_spends_what_rounding_leaves_on_a_point_off_the_hull() -> None:
    bent = [[100.0, 1_000.0], [150.0, 1_100.0], [300.0, 2_000.0]]
    answer = answer_to(problem("throughput", 200.0, device("a", frontier=bent)))
    assert answer.points == {"a": 1}
    assert answer.upper_bound == pytest.approx(1_500.0)
    assert answer.gap == pytest.approx(400.0 / 1_500.0)


def test_equal_devices_are_filled_up_one_after_the_other() -> None:
    alike = [device(f"node-{at}", frontier=POINTS) for at in range(4)]
    answer = answer_to(problem("throughput", 650.0, *alike))
    assert answer.points == {"node-0": 1, "node-1": 1, "node-2": 0, "node-3": 0}


def test_a_device_whose_points_do_not_fit_stays_at_its_minimum_and_says_so() -> None:
    wide = device("a", frontier=[[300.0, 2_000.0]])
    answer = answer_to(problem("throughput", 250.0, wide))
    assert answer.points == {"a": None}
    assert answer.allocations == {"a": 100.0}
    assert answer.binding == {"a": "its own minimum: site (250 W) has no room for its next point"}
    assert answer.unmet == (
        (
            "a stays at its minimum of 100 W, where it makes nothing: "
            "site (250 W) has no room for its next point"
        ),
    )


def test_efficiency_draws_the_least_that_meets_the_targets() -> None:
    devices = (
        device("a", frontier=POINTS, target_tok_s=1_500.0),
        device("b", frontier=POINTS, target_tok_s=2_100.0),
        device("c", frontier=POINTS),
    )
    answer = answer_to(problem("efficiency", 1_000.0, *devices))
    assert answer.points == {"a": 1, "b": 2, "c": 0}
    assert (answer.objective, answer.upper_bound) == (600.0, 600.0)
    assert set(answer.prices.values()) == {0.0}


def test_efficiency_gives_up_the_flexible_tier_first_then_the_smaller_priority() -> None:
    wanted = {"frontier": POINTS, "target_tok_s": 2_200.0}
    answer = answer_to(
        problem(
            "efficiency",
            750.0,
            device("a", tier=3, **wanted),
            device("b", tier=1, **wanted),
            device("c", tier=1, priority=1, **wanted),
        )
    )
    assert answer.allocations == {"a": 100.0, "b": 300.0, "c": 300.0}
    assert answer.unmet == (
        (
            "a makes 1,000 of its target of 2,200 tok/s (tier 3, priority 0): "
            "site (750 W) has no room for its next point"
        ),
    )
    assert answer.prices == {"site": None}


def test_a_target_beyond_the_frontier_is_named() -> None:
    answer = answer_to(
        problem("efficiency", 900.0, device("a", frontier=POINTS, target_tok_s=5_000.0))
    )
    assert answer.points == {"a": 2}
    assert "its frontier reaches no further" in answer.unmet[0]
    assert answer.binding == {"a": "the end of its frontier, below its target"}


@pytest.mark.parametrize("policy", ["fair", "throughput", "efficiency"])
def test_minima_above_the_budget_shed_by_tier_and_priority_and_name_who(policy: str) -> None:
    answer = answer_to(
        problem(
            policy,
            250.0,
            device("a", tier=2, priority=9, frontier=POINTS),
            device("b", tier=1, frontier=POINTS),
            device("c", tier=1, priority=1, active=False, frontier=POINTS),
        )
    )
    assert answer.allocations["a"] == 0
    assert answer.allocations["b"] >= 100.0
    assert answer.allocations["c"] >= 100.0
    assert answer.unmet[0].startswith("a is shed and gets 0 W (tier 2, priority 9): ")
    assert answer.binding["a"].startswith("shed, no room for its minimum")


def test_a_tenants_minimum_beyond_reach_is_named_and_nothing_is_certified() -> None:
    answer = answer_to(
        problem(
            "fair",
            900.0,
            device("a"),
            device("b"),
            tenants=[{"id": "t", "devices": ["a"], "min_w": 600.0}],
        )
    )
    assert answer.allocations["a"] == pytest.approx(400.0)
    assert answer.unmet[0].startswith("tenant t gets 400 W of its minimum of 600 W")
    assert (answer.upper_bound, answer.gap) == (None, None)


def test_a_tenants_minimum_comes_before_watts_that_buy_more_elsewhere() -> None:
    found = answer_to(
        {
            **problem(
                "throughput",
                500.0,
                device("a", frontier=[[100, 10], [200, 18], [300, 22]]),
                device("b", frontier=[[100, 8], [200, 17], [300, 25]]),
                device("c", frontier=[[100, 12], [200, 15]]),
            ),
            "tenants": [{"id": "t", "devices": ["c"], "min_w": 200.0}],
        }
    )
    assert found.allocations == {"a": 100.0, "b": 200.0, "c": 200.0}
    assert (found.objective, found.unmet) == (42.0, ())
    assert found.upper_bound == pytest.approx(42.0)


def test_where_a_device_is_left_without_a_point_nothing_is_certified() -> None:
    found = answer_to(
        problem(
            "throughput",
            250.0,
            *(device(name, min_w=50.0, frontier=[[100, 10], [200, 18]]) for name in "abc"),
        )
    )
    assert (found.upper_bound, found.gap) == (None, None)
    assert set(found.prices.values()) == {None}


def test_among_equals_the_cheapest_points_that_are_worth_most_come_first() -> None:
    found = answer_to(
        problem(
            "throughput",
            250.0,
            device("a", min_w=50.0, frontier=[[100, 10], [200, 18]]),
            device("b", min_w=50.0, frontier=[[100, 8], [200, 17]]),
            device("c", min_w=50.0, frontier=[[100, 12], [200, 15]]),
        )
    )
    assert found.points == {"a": 0, "b": None, "c": 0}


def test_where_nothing_hangs_there_is_nothing_to_do() -> None:
    answer = answer_to({"policy": "fair", "budget_w": 10.0})
    assert (answer.allocations, answer.objective, answer.unmet) == ({}, 0.0, ())
