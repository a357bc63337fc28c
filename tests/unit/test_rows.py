"""What the agent reads off a model between its points, and what it learns of its own node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.beliefs import FURTHEST, PRIOR, Beliefs, learn
from agents.core.rows import row_at, rows_of
from orchestrator.domain.frontier import Candidate

LOW = (Candidate(200.0, 8, 1000.0, 400.0), Candidate(200.0, 16, 1200.0, 600.0))
HIGH = (Candidate(300.0, 8, 1500.0, 500.0), Candidate(300.0, 16, 1900.0, 900.0))
LOCKED = Candidate(300.0, 16, 1100.0, 580.0, clock_mhz=900.0)
KEY = (200.0, None, 8)


def test_points_of_one_cap_and_clock_make_a_row() -> None:
    rows = rows_of([*HIGH, LOCKED, *LOW])
    assert [(row.cap_w, row.clock_mhz) for row in rows] == [
        (200.0, None),
        (300.0, 900.0),
        (300.0, None),
    ]


def test_a_larger_batch_that_buys_nothing_is_room_and_no_more() -> None:
    (row,) = rows_of([*LOW, Candidate(200.0, 32, 1300.0, 590.0)])
    assert [point.batch for point in row.points] == [8, 16]
    assert [point.batch for point in row.crowded] == [32]


def test_between_two_batches_a_row_is_a_straight_line() -> None:
    (row,) = rows_of(LOW)
    assert (row.at(12).tok_s, row.at(12).power_w) == (500.0, 1100.0)
    assert row.at(4).tok_s == 200.0
    assert row.at(99) == LOW[1]


@given(st.floats(1.0, 600.0))
def test_the_batch_for_a_throughput_serves_exactly_that(tok_s: float) -> None:
    (row,) = rows_of(LOW)
    batch = row.batch_for(tok_s)
    assert batch is not None
    assert row.at(batch).tok_s == pytest.approx(tok_s)


def test_no_batch_serves_more_than_a_row_can() -> None:
    (row,) = rows_of(LOW)
    assert row.batch_for(601.0) is None


def test_between_two_caps_lies_a_row_of_its_own_and_none_outside_them() -> None:
    rows = rows_of([*LOW, *HIGH, LOCKED])
    middle = row_at(rows, 250.0)
    assert middle is not None
    assert [(p.batch, p.power_w, p.tok_s) for p in middle.points] == [
        (8, 1250.0, 450.0),
        (16, 1550.0, 750.0),
    ]
    assert row_at(rows, 199.0) is None
    assert row_at(rows, 301.0) is None


def test_what_was_never_tried_is_expected_as_the_model_says() -> None:
    correction = Beliefs().of(KEY)
    assert (correction.tok, correction.power, correction.spread) == (1.0, 1.0, PRIOR)


def test_a_point_that_was_tried_for_long_speaks_for_itself() -> None:
    beliefs = Beliefs()
    for _ in range(100):
        beliefs = learn(beliefs, KEY, 0.9, 1.1)
    correction = beliefs.of(KEY)
    assert correction.tok == pytest.approx(0.9, abs=0.005)
    assert correction.power == pytest.approx(1.1, abs=0.005)
    assert correction.spread < PRIOR / 5


def test_other_points_are_expected_to_be_off_in_the_same_direction_but_less() -> None:
    beliefs = Beliefs()
    for _ in range(100):
        beliefs = learn(beliefs, KEY, 0.9, 1.1)
    assert 0.9 < beliefs.of((300.0, None, 8)).tok < 1.0


def test_a_node_that_changes_is_believed_after_a_while() -> None:
    beliefs = Beliefs()
    for ratio in [0.8] * 200 + [1.0] * 500:
        beliefs = learn(beliefs, KEY, ratio, 1.0)
    assert beliefs.of(KEY).tok == pytest.approx(1.0, abs=0.01)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60))
def test_corrections_stay_within_a_factor_of_two(ratios: list[float]) -> None:
    beliefs = Beliefs()
    for ratio in ratios:
        beliefs = learn(beliefs, KEY, ratio, 1.0 / ratio)
    correction = beliefs.of(KEY)
    for factor in (correction.tok, correction.power):
        assert 1.0 / FURTHEST - 1e-9 <= factor <= FURTHEST + 1e-9
