"""The service's UTC rides through jumps of the wall clock."""

from datetime import UTC, datetime, timedelta

from orchestrator.domain.moment import MOST_SLEW, PATIENCE_S, SteadyUtc

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def shown(clock: SteadyUtc, at_s: float, off_s: float = 0.0) -> float:
    """Seconds since the begin, while the wall clock is off by so much."""
    wall = BEGIN + timedelta(seconds=at_s + off_s)
    return (clock.follow(at_s, wall) - BEGIN).total_seconds()


def test_a_wall_clock_that_runs_well_is_followed() -> None:
    clock = SteadyUtc()
    assert [shown(clock, at_s) for at_s in (0.0, 0.5, 10.0)] == [0.0, 0.5, 10.0]


def test_a_jump_for_a_moment_moves_time_by_a_twentieth_of_that_moment_at_most() -> None:
    for jump_s in (-3600.0, -30.0, 30.0, 3600.0):
        clock = SteadyUtc()
        shown(clock, 0.0)
        for at_s in range(1, 61):
            assert abs(shown(clock, at_s, jump_s) - at_s) <= MOST_SLEW * at_s + 1e-6
        for at_s in range(61, 130):
            shown(clock, at_s)
        assert shown(clock, 130.0) == 130.0


def test_time_never_runs_backwards_while_it_slews() -> None:
    clock, before_s = SteadyUtc(), 0.0
    for at_s in range(100):
        now_s = shown(clock, float(at_s), -20.0 if 10 < at_s < 60 else 0.0)
        assert now_s >= before_s
        before_s = now_s


def test_a_wall_clock_that_keeps_its_distance_is_right() -> None:
    clock = SteadyUtc()
    shown(clock, 0.0)
    for at_s in range(1, round(PATIENCE_S) + 2):
        shown(clock, float(at_s), 7200.0)
    assert shown(clock, PATIENCE_S + 2.0, 7200.0) == PATIENCE_S + 2.0 + 7200.0
