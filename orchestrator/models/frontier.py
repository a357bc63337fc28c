"""From a fitted model to operating points: every candidate, and the frontier among them."""

from itertools import product
from typing import Final

import numpy as np
from sklearn.isotonic import isotonic_regression

from orchestrator.domain.errors import InvalidProfile
from orchestrator.domain.frontier import Candidate, Frontier, pareto
from orchestrator.models.fit import FittedModel
from orchestrator.models.points import FREE_MHZ, RISES_WITH_CAP, Floats

STEP_W: Final = 25.0
LEAST_STEPS: Final = 12
MOST_POINTS: Final = 1800
"""What an agent is sent at most."""


def candidates(model: FittedModel) -> tuple[Candidate, ...]:
    """Every (cap, batch, clock) worth considering, all inside the model's valid range.

    Caps each 25 W or closer, batches and clocks as measured. Along rising caps throughput and power
    never fall, latency never rises: what says otherwise is noise. Power never exceeds the caps.
    Sorted by cap, then batch, then clock with the free one last.
    """
    caps_w, batches = _caps(model), [round(batch) for batch in model.axes.batches]
    table = {target: _surface(model, target, caps_w) for target in model.fits}
    settings = list(product(caps_w, batches, model.axes.clocks_mhz))
    return tuple(
        Candidate(
            cap_w=cap_w,
            batch=batch,
            power_w=round(min(float(table["power_w"][row]), cap_w * model.gpus), 1),
            tok_s=round(float(table["tok_s"][row]), 2),
            itl_p95_ms=_latency_ms(table.get("itl_p95_ms"), row),
            itl_p99_ms=_latency_ms(table.get("itl_p99_ms"), row),
            clock_mhz=None if clock_mhz == FREE_MHZ else clock_mhz,
        )
        for row, (cap_w, batch, clock_mhz) in enumerate(settings)
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
    return pareto(
        model.deployment,
        model.version,
        model.gpus,
        allowed,
        tok_s_band=round(model.fits["tok_s"].band, 4),
        power_band=round(model.fits["power_w"].band, 4),
    )


def _latency_ms(column: Floats | None, row: int) -> float | None:
    return None if column is None else round(float(column[row]), 3)


def _caps(model: FittedModel) -> list[float]:
    """The measured caps unless they are many, and multiples of the step between their ends."""
    measured = model.axes.caps_w
    low, high = measured[0], measured[-1]
    if low == high:
        return [low]
    most = MOST_POINTS // (len(model.axes.batches) * len(model.axes.clocks_mhz))
    kept = measured if len(measured) <= most // 2 else (low, high)
    most -= len(kept)
    step_w = max(min(STEP_W, (high - low) / LEAST_STEPS), (high - low) / max(1, most - 2))
    inner = np.arange(np.ceil(low / step_w), np.floor(high / step_w) + 1) * step_w
    return sorted({round(cap_w, 3) for cap_w in (*kept, *inner.tolist())})


def _surface(model: FittedModel, target: str, caps_w: list[float]) -> Floats:
    """Predictions of one target by cap, batch and clock, flat, monotone along the caps."""
    shape = (len(caps_w), len(model.axes.batches), len(model.axes.clocks_mhz))
    grid = np.meshgrid(caps_w, model.axes.batches, model.axes.clocks_mhz, indexing="ij")
    asked = model.predict(*(part.ravel() for part in grid))[target].value.reshape(shape[0], -1)
    rising = RISES_WITH_CAP[target]
    columns = [isotonic_regression(column, increasing=rising) for column in asked.T]
    return np.column_stack(columns).ravel()
