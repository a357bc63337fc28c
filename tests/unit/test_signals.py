"""Signals: what is refused, how long one is active, and what a unit is worth."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.signals import Kind, check_fresh, power_in_w
from tests.site_samples import at, signal


def test_a_signal_is_active_from_its_start_to_before_its_end() -> None:
    one = signal(starts_s=10, ends_s=20)
    assert [one.active_at(at(t).utc) for t in (9.9, 10, 19.9, 20)] == [False, True, True, False]


def test_a_signal_without_an_end_stays_active() -> None:
    assert signal(ends_s=None).active_at(at(1e7).utc)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("limit", None), ("limit", -1.0), ("limit", float("inf")), ("limit", float("nan")),
        ("reduction", 0.0), ("reduction", 1.01), ("carbon", -1.0), ("price", None),
    ],
)  # fmt: skip
def test_a_value_that_its_kind_cannot_have_is_refused(kind: Kind, value: float | None) -> None:
    with pytest.raises(InvalidSignal):
        signal(kind=kind, value=value)


@pytest.mark.parametrize(
    ("kind", "value"), [("limit", 0.0), ("reduction", 1.0), ("price", -30.0), ("emergency", None)]
)
def test_an_extreme_value_that_its_kind_can_have_is_taken(kind: Kind, value: float | None) -> None:
    """A limit of 0 W is a limit, and prices fall below zero."""
    assert signal(kind=kind, value=value).value == value


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "wish"},
        {"issued_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - the zone is what is missing
        {"starts_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - the zone is what is missing
        {"ends_at": at(0).utc},
        {"ends_at": datetime(2031, 1, 1)},  # noqa: DTZ001 - the zone is what is missing
        {"deadline_s": -1.0},
        {"deadline_s": float("nan")},
        {"deadline_s": float("inf")},
    ],
)
def test_a_signal_with_a_bad_field_is_refused(change: dict[str, Any]) -> None:
    """A deadline without end would be a ramp without end."""
    with pytest.raises(InvalidSignal):
        replace(signal(), **change)


def test_a_signal_that_is_over_or_from_the_future_is_not_fresh() -> None:
    check_fresh(signal(), at(59).utc)
    with pytest.raises(InvalidSignal, match="expired"):
        check_fresh(signal(), at(60).utc)
    with pytest.raises(InvalidSignal, match="future"):
        check_fresh(signal(issued_s=100, ends_s=None), at(0).utc)


def test_watts_from_units() -> None:
    assert power_in_w(1.5, "kW") == power_in_w(1500, "watt") == power_in_w(0.0015, "MW") == 1500
    with pytest.raises(InvalidSignal, match="unknown power unit 'VA'"):
        power_in_w(1.0, "VA")
