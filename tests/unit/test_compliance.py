"""Ramps and shortfalls: when a limit counts after it fell, and how much was above it."""

import pytest

from orchestrator.domain.compliance import Ramps, ShortfallWatch
from orchestrator.domain.events import Shortfall
from tests.site_samples import at


def ramps(*ceilings: tuple[float, float], deadline_s: float | None = None) -> Ramps:
    """Ceilings as (time, watts), in order."""
    found = Ramps()
    deadlines_s = {} if deadline_s is None else {"site": deadline_s}
    for now_s, watts in ceilings:
        found.update({"site": watts}, deadlines_s, now_s)
    return found


def test_the_old_limit_counts_until_the_deadline() -> None:
    found = ramps((0, 100), (10, 60), deadline_s=7)
    assert [found.allowed_w("site", 60, t) for t in (10, 16.9, 17)] == [100, 100, 60]


def test_without_a_deadline_a_ramp_lasts_five_seconds() -> None:
    found = ramps((0, 100), (10, 60))
    assert [found.allowed_w("site", 60, t) for t in (14.9, 15)] == [100, 60]


def test_the_first_limit_ever_seen_has_no_ramp() -> None:
    """After a restart in the middle of an event there is nothing to come down from."""
    assert ramps((0, 60)).allowed_w("site", 60, 0) == 60


def test_a_ramp_is_never_extended() -> None:
    """A second fall has a ramp of its own; the first limit is gone when the first ramp ends."""
    found = ramps((0, 100), (10, 60), (13, 40))
    assert [found.allowed_w("site", 40, t) for t in (14, 15, 17.9, 18)] == [100, 60, 60, 40]


def test_a_limit_said_again_starts_no_ramp() -> None:
    found = ramps((0, 100), *((10 + t, 60) for t in range(20)))
    assert found.allowed_w("site", 60, 15) == 60


def test_a_limit_that_flickers_holds_no_ramp_open_beyond_its_own_falls() -> None:
    found = ramps((0, 100), (10, 60), (11, 100), (12, 60))
    assert [found.allowed_w("site", 60, t) for t in (16.9, 17)] == [100, 60]


def test_a_limit_that_rises_again_counts_at_once() -> None:
    assert ramps((0, 100), (10, 60), (12, 120)).allowed_w("site", 120, 12) == 120


def judged(
    *values: tuple[float, float], watch: ShortfallWatch | None = None
) -> list[Shortfall | None]:
    """Records for values as (time, watts) under a limit of 100 W."""
    watch = watch or ShortfallWatch(measured=True)
    return [watch.update("site", watts, 100.0, "a cause", at(t)) for t, watts in values]


def test_a_shortfall_is_the_excess_times_its_duration() -> None:
    """A value counts until the next: 50 W for 2 s, then 20 W for 1 s."""
    record = judged((0, 90), (1, 150), (3, 120), (4, 90))[-1]
    assert record is not None
    assert record.excess_ws == pytest.approx(120)
    assert record.worst_w == 50
    assert (record.started_at, record.ended_at) == (at(1).utc, at(4).utc)
    assert (record.cause, record.measured) == ("a cause", True)


def test_a_shortfall_of_one_sample_has_watt_seconds_too() -> None:
    record = judged((1, 150), (2, 90))[-1]
    assert record is not None
    assert record.excess_ws == pytest.approx(50)


def test_a_long_shortfall_is_reported_every_ten_seconds_with_its_sum() -> None:
    records = [r for r in judged(*((t, 150.0) for t in range(25))) if r is not None]
    assert [r.excess_ws for r in records] == [500, 1000]
    assert {r.started_at for r in records} == {at(0).utc}


def test_half_a_watt_is_no_shortfall() -> None:
    watch = ShortfallWatch(measured=False)
    assert judged((0, 100.5), (9, 90), watch=watch) == [None, None]
    assert watch.open_limits() == frozenset()


def test_closing_ends_a_shortfall_where_nothing_is_known_any_more() -> None:
    watch = ShortfallWatch(measured=True)
    judged((0, 150), watch=watch)
    assert watch.open_limits() == {"site"}
    record = watch.close("site", at(2))
    assert record is not None
    assert record.excess_ws == pytest.approx(100)
    assert watch.close("site", at(3)) is None
