"""Operators' budgets: when they hold, on days with a change of clocks too."""

from datetime import UTC, datetime, time, timedelta

import pytest

from orchestrator.domain.budget import Budget, GridPolicy, available_w
from orchestrator.domain.errors import InvalidBudget
from tests.site_samples import two_racks

BERLIN = "Europe/Berlin"
ALL_DAYS = (0, 1, 2, 3, 4, 5, 6)


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2030, month, day, hour, minute, tzinfo=UTC)


def budget(start: time, end: time, zone: str = "UTC", days: tuple[int, ...] = ALL_DAYS) -> Budget:
    return Budget("night", "site", 3000.0, start, end, days, zone)


def days_of(one: Budget, since: datetime, hours: float) -> list[tuple[datetime, datetime]]:
    return list(one.occurrences(since, since + timedelta(hours=hours)))


def test_a_budget_holds_every_day_between_its_times() -> None:
    found = days_of(budget(time(9), time(17)), utc(6, 1, 12), 24)
    assert found == [(utc(6, 1, 9), utc(6, 1, 17)), (utc(6, 2, 9), utc(6, 2, 17))]


def test_a_budget_over_midnight_ends_on_the_next_day() -> None:
    found = days_of(budget(time(22), time(6)), utc(6, 1, 3), 1)
    assert found == [(utc(5, 31, 22), utc(6, 1, 6))]


def test_equal_times_mean_the_whole_day() -> None:
    found = days_of(budget(time(0), time(0)), utc(6, 1, 12), 24)
    assert found == [(utc(6, 1, 0), utc(6, 2, 0)), (utc(6, 2, 0), utc(6, 3, 0))]


def test_only_the_given_weekdays_count() -> None:
    """The first of June 2030 is a Saturday; a night belongs to the day on which it begins."""
    found = days_of(budget(time(22), time(6), days=(4,)), utc(6, 1, 0), 72)
    assert found == [(utc(5, 31, 22), utc(6, 1, 6))]


def test_times_are_of_the_budgets_own_zone() -> None:
    assert days_of(budget(time(9), time(17), BERLIN), utc(6, 1, 12), 1) == [
        (utc(6, 1, 7), utc(6, 1, 15))
    ]


def test_a_day_that_loses_an_hour_is_an_hour_shorter() -> None:
    """On 31 March 2030 Berlin's clocks go from 2:00 to 3:00, at 1:00 UTC."""
    found = days_of(budget(time(1), time(4), BERLIN), utc(3, 30, 23), 12)
    assert found == [(utc(3, 31, 0), utc(3, 31, 2))]


def test_times_that_the_clock_skips_leave_no_inverted_interval() -> None:
    """From 2:30, which does not exist that day, to 3:00."""
    assert days_of(budget(time(2, 30), time(3), BERLIN), utc(3, 30, 22), 12) == []


def test_a_day_that_gains_an_hour_is_an_hour_longer() -> None:
    """On 27 October 2030 Berlin's clocks go back from 3:00 to 2:00, at 1:00 UTC."""
    found = days_of(budget(time(1), time(4), BERLIN), utc(10, 26, 22), 12)
    assert found == [(utc(10, 26, 23), utc(10, 27, 3))]


@pytest.mark.parametrize("start", [time(1), time(2, 30)])
def test_a_time_that_comes_twice_starts_first_and_ends_last(start: time) -> None:
    """Between the two the ceiling holds: it is the stricter reading."""
    found = days_of(budget(start, time(2, 45), BERLIN), utc(10, 26, 22), 6)
    assert found[0][1] == utc(10, 27, 1, 45)
    assert found[0][0] == (utc(10, 26, 23) if start == time(1) else utc(10, 27, 0, 30))


def test_occurrences_are_in_utc() -> None:
    """Times of one zone compare by what the clock shows, which goes wrong when it goes back."""
    for starts, ends in days_of(budget(time(9), time(17), BERLIN), utc(6, 1, 0), 48):
        assert starts.tzinfo is UTC
        assert ends.tzinfo is UTC


@pytest.mark.parametrize("limit_w", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_without_watts_is_refused(limit_w: float) -> None:
    with pytest.raises(InvalidBudget, match="above 0"):
        Budget("night", "site", limit_w, time(1), time(2))
    with pytest.raises(InvalidBudget, match="above 0"):
        GridPolicy(carbon_limit_w=limit_w)


@pytest.mark.parametrize("days", [(), (7,), (-1,)])
def test_a_budget_without_weekdays_is_refused(days: tuple[int, ...]) -> None:
    with pytest.raises(InvalidBudget, match="days"):
        budget(time(1), time(2), days=days)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_zone_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(InvalidBudget, match="time zone"):
        budget(time(1), time(2), zone)


def test_what_nodes_may_share_is_the_ceiling_less_everything_else() -> None:
    tree = two_racks()
    found = available_w(tree, {"site": 4000.0, "rack-1": 30.0})
    assert found == {"site": 3800.0, "rack-1": 0.0, "rack-2": 3000.0}
