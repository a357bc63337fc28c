"""How the site's ceiling follows what is asked."""

from itertools import pairwise
from math import inf

import pytest

from orchestrator.domain.ramping import RampRules, SiteCeiling, follow, phase

RULES = RampRules(up_w_per_s=100.0, down_w_per_s=200.0)
FREE = RampRules()


def run(
    *asked: tuple[float, float],
    rules: RampRules = RULES,
    deadline_s: float = 60.0,
    sudden_w: float = inf,
) -> list[float]:
    """Levels every quarter of a second, for (seconds, watts asked) in order."""
    ceiling: SiteCeiling | None = None
    found: list[float] = []
    for seconds, watts in asked:
        for _ in range(round(4 * seconds)):
            now_s = len(found) / 4
            ceiling = follow(ceiling, watts, now_s, rules, deadline_s=deadline_s, sudden_w=sudden_w)
            found.append(ceiling.level_w)
    return found


def test_without_ramps_the_ceiling_is_what_is_asked() -> None:
    assert (
        run((1, 9000), (1, 5000), (1, 9000), rules=FREE)
        == [9000.0] * 4 + [5000.0] * 4 + [9000.0] * 4
    )


def test_a_fall_begins_at_once_and_goes_along_its_ramp() -> None:
    levels = run((1, 9000), (10, 8000))
    assert levels[4:9:4] == [8800.0, 8600.0]
    assert levels[4 + 15] == 8200.0
    assert levels[4 + 16] == 8000.0


def test_a_fall_is_never_slowed_past_its_deadline() -> None:
    """Two seconds before it at the latest, so that nodes have followed."""
    levels = run((1, 9000), (5, 3000), deadline_s=5.0)
    assert levels[4] < 9000
    assert levels[4 + 12] == 3000.0


def test_a_deadline_of_no_time_leaves_no_ramp() -> None:
    assert run((1, 9000), (1, 3000), deadline_s=0.0)[4] == 3000.0


def test_an_emergency_passes_the_ramp_and_what_is_asked_beyond_it_does_not() -> None:
    assert run((1, 9000), (1, 3000), sudden_w=4000.0)[4] == 4000.0 - 200


def test_a_lower_limit_on_the_way_down_makes_it_no_slower() -> None:
    levels = run((1, 9000), (1, 6000), (5, 5000), deadline_s=5.0)
    assert all(a >= b for a, b in pairwise(levels))
    assert levels[4 + 16] == 5000.0


def test_a_release_climbs_along_the_ramp_to_its_end() -> None:
    levels = run((1, 5000), (60, 9000))
    rises = [b - a for a, b in pairwise(levels)]
    assert max(rises) == pytest.approx(100.0)
    assert levels[4 + 4 * 20] == pytest.approx(7000.0)
    assert levels[-1] == 9000.0


@pytest.mark.parametrize("rules", [RULES, FREE])
def test_a_ceiling_that_flaps_by_less_than_a_hundredth_moves_nothing_up(rules: RampRules) -> None:
    flapping = [(2.0, 9000.0 + 80 * (i % 2)) for i in range(60)]
    assert set(run((1, 9000), *flapping, rules=rules)) == {9000.0}


def test_a_small_rise_counts_once_it_has_stood() -> None:
    levels = run((1, 9000), (40, 9080), rules=FREE)
    assert (levels[4 + 4 * 29], levels[4 + 4 * 30]) == (9000.0, 9080.0)


def test_a_fall_on_the_way_up_turns_round_at_once() -> None:
    levels = run((1, 5000), (10, 9000), (1, 5500))
    assert levels[44] == pytest.approx(levels[43] - 200)


def test_phases_of_nodes_are_their_own_and_always_the_same() -> None:
    phases = [phase(f"node-{n}") for n in range(100)]
    assert phases == [phase(f"node-{n}") for n in range(100)]
    assert min(phases) < 0.1
    assert max(phases) > 0.9
