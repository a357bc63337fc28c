from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import pairwise

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.timeline import (
    Ceiling,
    bounds_at,
    budget_ceilings,
    intervals,
    next_change,
    recovery_ceiling,
    signal_ceilings,
)
from tests.facility import START, limit_signal, topology

TREE = topology()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ceilings(*signals: Signal, policy: GridPolicy | None = None) -> list[Ceiling]:
    return signal_ceilings(TREE, signals, policy or GridPolicy(), {})


def root_w(found: list[Ceiling], seconds: float) -> float:
    return bounds_at(TREE, found, at(seconds))["facility"].limit_w


def test_overlapping_sources_become_intervals_and_the_strictest_wins() -> None:
    found = ceilings(
        limit_signal(4000.0, 20, 60),
        limit_signal(4200.0, 10, 90, key=SignalKey("operator", "o1")),
        limit_signal(3500.0, 40, 70, key=SignalKey("carbon", "c1")),
    )
    whole = intervals(TREE, found, at(0), at(100))
    assert [interval.bounds["facility"].limit_w for interval in whole] == [
        4500.0,
        4200.0,
        4000.0,
        3500.0,
        4200.0,
        4500.0,
    ]
    assert whole[0].starts_at == at(0)
    assert whole[-1].ends_at == at(100)
    assert all(a.ends_at == b.starts_at for a, b in pairwise(whole))


def test_within_a_source_the_latest_wins_even_when_it_is_laxer() -> None:
    first = limit_signal(3000.0, 0, 100)
    second = replace(first, key=SignalKey("utility", "e2"), value=3800.0, issued_at=at(1))
    assert root_w(ceilings(first, second), 50) == 3800.0


def test_a_signal_above_the_contract_changes_nothing() -> None:
    assert root_w(ceilings(limit_signal(9000.0, 0, 100)), 50) == 4500.0


def test_an_emergency_goes_down_to_the_firm_limit() -> None:
    assert root_w(ceilings(limit_signal(0, 0, 9, kind="emergency", value=None)), 5) == 2500.0


def test_carbon_above_the_threshold_lowers_the_root_and_below_it_takes_its_slot() -> None:
    policy = GridPolicy(carbon_above_g_per_kwh=300.0, carbon_limit_w=3200.0)
    dirty = limit_signal(450.0, 0, 100, kind="carbon")
    clean = replace(dirty, key=SignalKey("utility", "e2"), value=200.0, issued_at=at(10))
    assert root_w(ceilings(dirty, policy=policy), 50) == 3200.0
    assert root_w(ceilings(dirty, clean, policy=policy), 50) == 4500.0


def test_a_reduction_asks_for_nothing_before_its_baseline_is_frozen() -> None:
    asked = limit_signal(0.3, 0, 100, kind="reduction")
    assert ceilings(asked) == []
    found = signal_ceilings(TREE, [asked], GridPolicy(), {asked.key: 4000.0})
    assert root_w(found, 50) == 2800.0


def test_a_budget_holds_at_its_time_of_day_over_midnight() -> None:
    budget = Budget("night", "rack-a", 1500.0, time(22), time(6))
    found = budget_ceilings([budget], START, START + timedelta(hours=24))
    assert bounds_at(TREE, found, START + timedelta(hours=11))["rack-a"].limit_w == 1500.0
    assert bounds_at(TREE, found, START + timedelta(hours=19))["rack-a"].limit_w == 2200.0


def test_recovery_holds_the_baseline_for_its_time() -> None:
    held = recovery_ceiling(SignalKey("utility", "e1"), at(60), 4100.0, 30.0, "facility")
    assert root_w([held], 75) == 4100.0
    assert root_w([held], 90) == 4500.0


def test_the_next_change_is_the_next_edge() -> None:
    found = ceilings(limit_signal(4000.0, 20, 60))
    assert next_change(found, at(0)) == at(20)
    assert next_change(found, at(20)) == at(60)
    assert next_change(found, at(60)) is None
