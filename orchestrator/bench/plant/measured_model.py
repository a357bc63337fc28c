"""What an operator would know of a node: a noisy profile, and the product's own fit of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from integrations.twin.node import Coefficients, Deployment, steady
from orchestrator.domain.frontier import Frontier
from orchestrator.models.fit import Recipe, fit
from orchestrator.models.frontier import candidates
from orchestrator.models.samples import read_profile

TOK_NOISE = 0.02
POWER_NOISE = 0.015
RECIPE = Recipe(forms=("physics+gaussian",))
"""The form that wins the product's own cross-validation on such profiles; see `bench models`."""
PROFILE_SEED = 10_000
"""The profile is taken of other requests than those that policies are judged on."""
HEADER = "deployment,gpu_model,gpus,cap_w,batch,clock_mhz,power_w,tok_s,itl_p95_ms,itl_p99_ms"


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of a profile: cap per card, batch of the node, clock lock."""

    cap_w: float
    batch: int
    clock_mhz: float | None = None


def profiled(
    deployment: Deployment,
    settings: Sequence[Setting],
    coefficients: Coefficients | None,
    seed: int,
    seconds: float = 20.0,
) -> Frontier:
    """Measure every setting once on the plant, with noise, fit, and return all operating points."""
    random = np.random.default_rng((seed, 77))
    rows = [_row(deployment, setting, coefficients, seed, seconds, random) for setting in settings]
    samples = read_profile("\n".join([HEADER, *rows]))
    model = fit(samples, deployment.id, RECIPE)
    points = candidates(model)
    return Frontier(deployment.id, model.version, deployment.gpus, points)


def _row(
    deployment: Deployment,
    setting: Setting,
    coefficients: Coefficients | None,
    seed: int,
    seconds: float,
    random: np.random.Generator,
) -> str:
    point = steady(
        deployment,
        setting.cap_w,
        setting.batch,
        setting.clock_mhz,
        seconds=seconds,
        seed=PROFILE_SEED + seed,
        coefficients=coefficients,
    )
    power, tok, p95, p99 = 1.0 + random.standard_normal(4) * (
        POWER_NOISE, TOK_NOISE, TOK_NOISE, TOK_NOISE,
    )  # fmt: skip
    clock = "" if setting.clock_mhz is None else f"{setting.clock_mhz:g}"
    return (
        f"{deployment.id},{deployment.gpu},{deployment.gpus},{setting.cap_w:g},{setting.batch},"
        f"{clock},{point.power_w * power:.2f},{point.tok_s * tok:.3f},"
        f"{point.itl_p95_ms * p95:.4f},{point.itl_p99_ms * p99:.4f}"
    )
