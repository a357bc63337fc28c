"""A surface answers between its points and is silent beyond them."""

import pytest

from orchestrator.domain.frontier import Candidate
from orchestrator.domain.surface import Expected, surface_of

POINTS = [
    Candidate(cap_w, batch, cap_w * 2, cap_w * batch, clock_mhz=clock)
    for cap_w in (200.0, 300.0, 500.0)
    for batch in (8, 32)
    for clock in (None, 1200.0)
]
SURFACE = surface_of(POINTS)


def test_points_are_returned_as_they_are() -> None:
    assert SURFACE.at(300.0, 32) == Expected(9600.0, 600.0)
    assert SURFACE.at(500.0, 8, 1200.0) == Expected(4000.0, 1000.0)


def test_between_points_caps_are_linear_and_batches_by_ratio() -> None:
    found = SURFACE.at(400.0, 16)
    assert found is not None
    assert found.power_w == pytest.approx(800.0)
    assert found.tok_s == pytest.approx(400 * (8 + 32) / 2)


@pytest.mark.parametrize(
    ("cap_w", "batch", "clock"), [(190, 8, None), (510, 8, None), (300, 7, None), (300, 40, None),
                                  (300, 8, 1300.0)],
)  # fmt: skip
def test_outside_the_range_there_is_no_answer(
    cap_w: float, batch: float, clock: float | None
) -> None:
    assert SURFACE.at(cap_w, batch, clock) is None


def test_a_missing_neighbour_is_outside() -> None:
    assert surface_of(POINTS[:-1]).at(400.0, 20, 1200.0) is None


def test_a_single_cap_answers_at_that_cap_alone() -> None:
    alone = surface_of([Candidate(700.0, batch, 1000.0, 10.0 * batch) for batch in (8, 16)])
    assert alone.at(700.0, 8) == Expected(80.0, 1000.0)
    assert alone.at(650.0, 8) is None
