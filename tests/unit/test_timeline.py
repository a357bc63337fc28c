"""Overlapping ceilings become intervals: one slot a source, the strictest wins."""

import itertools
from dataclasses import replace
from datetime import time

import pytest

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.timeline import (
    Ceiling,
    bounds_at,
    budget_ceilings,
    in_force,
    intervals,
    next_change,
    recovery_ceiling,
    signal_ceilings,
)
from tests.site_samples import at, signal, two_racks

TREE = two_racks(60_000.0)


def ceiling(
    source: str, limit_w: float, starts_s: float, ends_s: float | None, issued_s: float = 0.0
) -> Ceiling:
    one = signal(
        f"{limit_w:g}", limit_w, source=source, starts_s=starts_s, ends_s=ends_s, issued_s=issued_s
    )
    return signal_ceilings(TREE, [one], GridPolicy(), {})[0]


def steps_w(ceilings: list[Ceiling], until_s: float) -> list[tuple[float, float]]:
    """Start and watts of the root's intervals."""
    return [
        ((interval.starts_at - at(0).utc).total_seconds(), interval.bounds["site"].limit_w)
        for interval in intervals(TREE, ceilings, at(0).utc, at(until_s).utc)
    ]


def test_the_drawing_of_the_modules_docstring() -> None:
    """A utility, an operator and carbon overlap; at every instant the strictest counts."""
    ceilings = [
        ceiling("utility", 40_000, 16, 28),
        ceiling("operator", 55_000, 10, 38),
        ceiling("carbon", 35_000, 24, 33),
    ]
    assert steps_w(ceilings, 47) == [
        (0, 60_000), (10, 55_000), (16, 40_000), (24, 35_000), (33, 55_000), (38, 60_000),
    ]  # fmt: skip


def test_intervals_leave_no_gap_and_do_not_overlap() -> None:
    found = intervals(
        TREE,
        [ceiling("a", 1000, 5, 25), ceiling("b", 900, 10, 20), ceiling("c", 1000, 25, None)],
        at(0).utc,
        at(30).utc,
    )
    assert found[0].starts_at == at(0).utc
    assert found[-1].ends_at == at(30).utc
    for one, following in itertools.pairwise(found):
        assert one.starts_at < one.ends_at == following.starts_at
        assert one.bounds != following.bounds


def test_nothing_is_covered_when_the_end_is_not_after_the_start() -> None:
    assert intervals(TREE, [], at(5).utc, at(5).utc) == []


def test_within_a_source_the_signal_issued_last_wins_even_to_loosen() -> None:
    older, newer = ceiling("u", 1000, 0, None), ceiling("u", 2000, 10, 20, issued_s=5)
    assert steps_w([older, newer], 30) == [(0, 1000), (10, 2000), (20, 1000)]


def test_of_two_signals_issued_together_the_stricter_wins() -> None:
    one, other = ceiling("u", 1000, 0, 10), ceiling("u", 2000, 0, 10)
    assert in_force([one, other], at(1).utc) == in_force([other, one], at(1).utc) == [one]


def test_another_source_cannot_loosen() -> None:
    """Whatever is added, no limit rises: ceilings of other slots only tighten."""
    held = [ceiling("u", 1000, 0, None)]
    loose = [*held, ceiling("v", 9000, 0, None, issued_s=99)]
    assert bounds_at(TREE, loose, at(1).utc) == bounds_at(TREE, held, at(1).utc)


def test_a_ceiling_above_the_contract_changes_nothing() -> None:
    bound = bounds_at(TREE, [ceiling("u", 99_000, 0, None)], at(1).utc)["site"]
    assert (bound.limit_w, bound.reason, bound.key) == (60_000, "contract limit", None)


def test_a_limit_of_zero_watts_is_a_limit() -> None:
    assert bounds_at(TREE, [ceiling("u", 0, 0, None)], at(1).utc)["site"].limit_w == 0


def test_a_ceiling_on_a_limit_that_is_gone_is_left_out() -> None:
    """An event outlives a change of the tree: control must not stumble over it."""
    gone = replace(ceiling("u", 1000, 0, None), limit_id="rack-9")
    assert bounds_at(TREE, [gone], at(1).utc) == bounds_at(TREE, [], at(1).utc)


def test_a_reduction_is_of_the_frozen_baseline_and_nothing_without_one() -> None:
    one = signal(kind="reduction", value=0.3)
    assert signal_ceilings(TREE, [one], GridPolicy(), {}) == []
    found = signal_ceilings(TREE, [one], GridPolicy(), {one.key: 50_000.0})
    assert found[0].limit_w == pytest.approx(35_000)


def test_an_emergency_asks_for_the_firm_limit() -> None:
    found = signal_ceilings(TREE, [signal(kind="emergency", value=None)], GridPolicy(), {})
    assert found[0].limit_w == TREE.firm_limit_w


@pytest.mark.parametrize(("value", "limit_w"), [(400.0, 60_000), (400.1, 30_000)])
def test_carbon_counts_above_the_operators_threshold(value: float, limit_w: float) -> None:
    policy = GridPolicy(carbon_above_g_per_kwh=400.0, carbon_limit_w=30_000.0)
    found = signal_ceilings(TREE, [signal(kind="carbon", value=value)], policy, {})
    assert bounds_at(TREE, found, at(1).utc)["site"].limit_w == limit_w


def test_a_clean_hour_ends_what_the_same_source_said_of_a_dirty_one() -> None:
    policy = GridPolicy(price_above_per_mwh=100.0, price_limit_w=30_000.0)
    dear = signal("dear", 300.0, kind="price", ends_s=None)
    cheap = signal("cheap", 20.0, kind="price", ends_s=None, issued_s=10, starts_s=10)
    found = signal_ceilings(TREE, [dear, cheap], policy, {})
    assert bounds_at(TREE, found, at(9).utc)["site"].limit_w == 30_000
    assert bounds_at(TREE, found, at(11).utc)["site"].limit_w == 60_000


def test_of_overlapping_budgets_the_strictest_wins() -> None:
    budgets = [
        Budget("day", "site", 50_000.0, time(8), time(20)),
        Budget("noon", "site", 55_000.0, time(11), time(14)),
    ]
    found = budget_ceilings(budgets, at(0).utc, at(3600).utc)
    assert bounds_at(TREE, found, at(1).utc)["site"].limit_w == 50_000


def test_the_next_change_is_the_first_edge_after() -> None:
    ceilings = [ceiling("u", 1000, 10, 20), ceiling("v", 1000, 15, None)]
    assert next_change(ceilings, at(10).utc) == at(15).utc
    assert next_change(ceilings, at(20).utc) is None


def test_recovery_holds_the_baseline_for_a_while() -> None:
    one = recovery_ceiling(signal().key, at(60).utc, 50_000.0, 300.0, "site")
    assert steps_w([one], 400) == [(0, 60_000), (60, 50_000), (360, 60_000)]
