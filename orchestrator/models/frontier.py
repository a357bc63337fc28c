"""From a fitted model to operating points: every candidate, and the frontier among them."""

from itertools import product
from typing import Final

import numpy as np
from sklearn.isotonic import isotonic_regression

from orchestrator.domain.errors import InvalidProfile
from orchestrator.domain.frontier import Candidate, Frontier, pareto
from orchestrator.models.fit import FittedModel, Floats

STEP_W: Final = 25.0
LEAST_STEPS: Final = 12


def candidates(model: FittedModel) -> tuple[Candidate, ...]:
    """Every (cap, batch) worth considering: caps each 25 W or closer, batches as measured.

    A forest is a staircase between measured caps, so it is asked at those alone and lines are
    drawn between them. Along rising caps throughput and power never fall, latency never rises:
    what says otherwise is noise. Power never exceeds the caps. Sorted by cap, then batch.
    """
    caps_w = _caps(model.caps_w)
    power_w = _surface(model, "power_w", caps_w, rising=True)
    tok_s = _surface(model, "tok_s", caps_w, rising=True)
    latency = "itl_p95_ms" in model.fits
    itl_ms = _surface(model, "itl_p95_ms", caps_w, rising=False) if latency else None
    return tuple(
        Candidate(
            cap_w=cap_w,
            batch=batch,
            power_w=round(min(float(power_w[row, column]), cap_w * model.gpus), 1),
            tok_s=round(float(tok_s[row, column]), 2),
            itl_p95_ms=None if itl_ms is None else round(float(itl_ms[row, column]), 3),
        )
        for (row, cap_w), (column, batch) in product(enumerate(caps_w), enumerate(model.batches))
    )


def frontier(model: FittedModel, itl_limit_ms: float | None = None) -> Frontier:
    """The candidates that buy more tokens with every watt of cap, within a latency objective.

    itl_limit_ms: highest p95 inter-token latency allowed; candidates of unknown latency pass.
    Raises InvalidProfile when none is left.
    """
    allowed = [
        candidate
        for candidate in candidates(model)
        if itl_limit_ms is None
        or candidate.itl_p95_ms is None
        or candidate.itl_p95_ms <= itl_limit_ms
    ]
    if not allowed:
        raise InvalidProfile(
            f"{model.deployment}: no profiled point keeps p95 inter-token latency within "
            f"{itl_limit_ms:g} ms; raise the objective or profile smaller batches"
        )
    return pareto(model.deployment, model.version, model.gpus, allowed)


def _caps(measured: tuple[float, ...]) -> list[float]:
    """Multiples of the step between the measured ends, and the ends themselves."""
    low, high = measured[0], measured[-1]
    step_w = min(STEP_W, (high - low) / LEAST_STEPS)
    inner = np.arange(np.ceil(low / step_w), np.floor(high / step_w) + 1) * step_w
    return sorted({round(cap_w, 3) for cap_w in (low, *inner.tolist(), high)})


def _surface(model: FittedModel, target: str, caps_w: list[float], *, rising: bool) -> Floats:
    """Predictions of one target, (cap, batch), monotone along the caps."""
    grid = list(product(model.caps_w, model.batches))
    asked = model.fits[target].predict(
        model.inputs([cap_w for cap_w, _ in grid], [batch for _, batch in grid])
    )
    knots = asked.value.reshape(len(model.caps_w), len(model.batches))
    columns = [
        np.interp(caps_w, model.caps_w, isotonic_regression(column, increasing=rising))
        for column in knots.T
    ]
    return np.column_stack(columns)
