"""A plan begins with opposite corners, repeats nothing, and goes where predictions are unsure."""

import numpy as np
import pytest

from orchestrator.domain.errors import InvalidInput
from orchestrator.models.planner import lattice, plan
from orchestrator.models.points import Points
from tests.plant_law import Law

CHOICES = lattice((200.0, 700.0), (16, 512), 8)


def measured(indices: list[int]) -> Points:
    found, law = CHOICES.where(np.array(indices)), Law()
    pairs = list(zip(found.cap_w, found.batch, strict=True))
    targets = {
        "tok_s": np.array([law.tok_s(cap_w, batch) for cap_w, batch in pairs]),
        "power_w": np.array([law.power_w(cap_w, batch) for cap_w, batch in pairs]),
    }
    return Points(found.cap_w, found.batch, found.clock_mhz, 8, targets)


def test_a_new_profile_begins_with_the_draining_corner_and_its_opposite() -> None:
    first, second = plan(CHOICES, None, 2)
    assert (CHOICES.cap_w[first], CHOICES.batch[first]) == (200.0, 512)
    assert (CHOICES.cap_w[second], CHOICES.batch[second]) == (700.0, 16)


def test_a_plan_is_the_same_every_time_and_its_beginning_does_not_depend_on_its_length() -> None:
    assert plan(CHOICES, None, 12) == plan(CHOICES, None, 12)
    assert plan(CHOICES, None, 12)[:5] == plan(CHOICES, None, 5)


def test_nothing_is_measured_twice_and_a_plan_ends_with_the_choices() -> None:
    known = measured(plan(CHOICES, None, 10))
    rest = plan(CHOICES, known, 1000)
    assert len(set(rest)) == len(rest) == len(CHOICES) - 10


def test_low_caps_under_large_batches_are_among_few_points() -> None:
    chosen = CHOICES.where(np.array(plan(CHOICES, None, 8)))
    assert ((chosen.cap_w <= 262.5) & (chosen.batch == 512)).sum() >= 1
    assert len(np.unique(chosen.cap_w)) >= 3
    assert len(np.unique(chosen.batch)) >= 3


def test_clock_locks_are_planned_too() -> None:
    choices = lattice((200.0, 700.0), (16, 512), 8, clocks_mhz=(1200.0, float("inf")))
    assert 1200.0 in choices.clock_mhz[plan(choices, None, 10)]


@pytest.mark.parametrize(
    ("caps_w", "batches"), [((0.0, 700.0), (1, 2)), ((700.0, 200.0), (1, 2)), ((1.0, 2.0), (9, 3))]
)
def test_ends_the_wrong_way_round_are_refused(
    caps_w: tuple[float, float], batches: tuple[int, int]
) -> None:
    with pytest.raises(InvalidInput):
        lattice(caps_w, batches, 8)


def test_a_plan_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput):
        plan(CHOICES, None, 0)
