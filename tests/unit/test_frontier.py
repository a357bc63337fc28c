"""The frontier of a deployment: which points are kept, and what lies between them."""

import pytest

from orchestrator.domain.errors import InvalidProfile
from orchestrator.domain.frontier import Candidate, Frontier, pareto


def point(cap_w: float, tok_s: float, power_w: float = 100.0, batch: int = 8) -> Candidate:
    return Candidate(cap_w, batch, power_w, tok_s)


def frontier(*points: Candidate) -> Frontier:
    return pareto("dense", "1", 4, points)


def test_a_point_that_costs_more_and_buys_no_more_is_dropped() -> None:
    kept = frontier(point(400, 90), point(200, 50), point(300, 50), point(500, 120))
    assert [p.cap_w for p in kept.points] == [200, 400, 500]


def test_of_equal_caps_the_faster_and_then_the_thriftier_is_kept() -> None:
    kept = frontier(point(200, 50, 90), point(200, 60, 99), point(200, 60, 95))
    assert kept.points == (point(200, 60, 95),)


@pytest.mark.parametrize("bad", [[], [point(200, 0.0)], [point(200, float("nan"))]])
def test_a_profile_without_throughput_is_refused(bad: list[Candidate]) -> None:
    with pytest.raises(InvalidProfile, match="dense"):
        pareto("dense", "1", 4, bad)


def test_the_fastest_candidate_within_a_limit_of_the_node() -> None:
    kept = frontier(point(200, 50), point(400, 90))
    assert kept.within(799.0) is None
    assert kept.within(800.0) == point(200, 50)
    assert kept.within(5000.0) == point(400, 90)


@pytest.mark.parametrize(
    ("cap_w", "tok_s"), [(0, 0), (100, 25), (200, 50), (300, 70), (400, 90), (900, 90)]
)
def test_throughput_is_linear_between_points_and_flat_above_the_last(
    cap_w: float, tok_s: float
) -> None:
    assert frontier(point(200, 50), point(400, 90)).tok_s_at(cap_w) == pytest.approx(tok_s)


def test_the_highest_throughput_is_the_last_points() -> None:
    assert frontier(point(400, 90), point(200, 50)).max_tok_s() == 90
