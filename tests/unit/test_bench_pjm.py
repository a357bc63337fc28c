"""The performance score of a regulation signal."""

import numpy as np
import pytest

from orchestrator.bench.pjm import performance

TIMES_S = np.arange(0.0, 3600.0, 0.5)
WAVES = [np.sin(2.0 * np.pi * TIMES_S / period_s) for period_s in (140.0, 230.0)]
SIGNAL = 1e5 * (WAVES[0] + WAVES[1])


def test_a_perfect_response_scores_one() -> None:
    score = performance(SIGNAL, SIGNAL, 0.5)
    assert score.score == pytest.approx(1.0)
    assert score.lag_s == 0.0


def test_a_minute_late_costs_a_fifth_of_the_delay_and_much_precision() -> None:
    late = np.roll(SIGNAL, round(60.0 / 0.5))
    score = performance(SIGNAL, late, 0.5)
    assert score.lag_s == 60.0
    assert score.delay == pytest.approx(0.8)
    assert score.accuracy == pytest.approx(1.0, abs=1e-3)
    assert score.precision < 0.2


def test_no_response_has_neither_accuracy_nor_precision() -> None:
    score = performance(SIGNAL, np.zeros_like(SIGNAL), 0.5)
    assert score.accuracy == 0.0
    assert score.precision == pytest.approx(0.0)


def test_half_the_swing_keeps_the_accuracy_and_loses_half_the_precision() -> None:
    score = performance(SIGNAL, 0.5 * SIGNAL, 0.5)
    assert score.accuracy == pytest.approx(1.0)
    assert score.precision == pytest.approx(0.5)
