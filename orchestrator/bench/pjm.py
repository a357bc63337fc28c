"""The classic performance score of PJM's regulation market (Manual 12, 4.4.6).

Samples every 10 s; the response may lag by up to five minutes and is scored at its best lag.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_S = 10.0
MOST_LAG_S = 300.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of 1; score is the mean of the three. lag_s: where accuracy and delay are best."""

    score: float
    accuracy: float
    delay: float
    precision: float
    lag_s: float


def performance(signal: Floats, response: Floats, step_s: float) -> Score:
    """Score a response in watts against its signal, both around their own mid-point, (n,)."""
    wanted, got = _sampled(signal, step_s), _sampled(response, step_s)
    steps = int(MOST_LAG_S / SAMPLE_S)
    lags = range(min(steps, len(wanted) - 3) + 1)
    scored = [(_accuracy(wanted, got, lag), 1.0 - lag * SAMPLE_S / MOST_LAG_S) for lag in lags]
    best = max(lags, key=lambda lag: sum(scored[lag]))
    accuracy, delay = scored[best]
    error = float(np.mean(np.abs(got - wanted)) / np.mean(np.abs(wanted)))
    precision = max(0.0, 1.0 - error)
    return Score((accuracy + delay + precision) / 3.0, accuracy, delay, precision, best * SAMPLE_S)


def _sampled(values: Floats, step_s: float) -> Floats:
    per = round(SAMPLE_S / step_s)
    whole = len(values) // per * per
    return np.asarray(values[:whole].reshape(-1, per).mean(axis=1), dtype=np.float64)


def _accuracy(wanted: Floats, got: Floats, lag: int) -> float:
    """Correlation of the signal with the response `lag` samples later, at least 0."""
    first, later = wanted[: len(wanted) - lag], got[lag:]
    if np.std(first) == 0.0 or np.std(later) == 0.0:
        return 0.0
    return max(0.0, float(np.corrcoef(first, later)[0, 1]))
