"""Profiling on the simulated plant: what an operator would measure, with measurement noise."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from integrations.twin.cards import GpuSpec, gpu_spec
from integrations.twin.serving import ModelSpec, max_batch_of, model_spec, operate
from integrations.twin.site import deployment_id
from orchestrator.domain.errors import InvalidInput

TOK_NOISE: Final = 0.02
POWER_NOISE: Final = 0.015
CAP_POINTS: Final = 9
BATCH_SHARES: Final = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One saturated run of a node; cap_w per card, the rest for all of its cards together."""

    deployment: str
    gpu_model: str
    gpus: int
    cap_w: float
    batch: int
    power_w: float
    tok_s: float
    itl_p95_ms: float


def default_caps_w(gpu_model: str) -> tuple[float, ...]:
    """Caps evenly over the card's range."""
    gpu = gpu_spec(gpu_model)
    step_w = (gpu.max_w - gpu.min_w) / (CAP_POINTS - 1)
    return tuple(gpu.min_w + index * step_w for index in range(CAP_POINTS))


def default_batches(model: str, gpus: int) -> tuple[int, ...]:
    """Batches of the whole node, up to its largest."""
    most = max_batch_of(model_spec(model), gpus)
    return tuple(sorted({max(1, round(share * most)) for share in BATCH_SHARES}))


def profile_samples(
    gpu_model: str,
    model: str,
    gpus: int,
    *,
    caps_w: Sequence[float],
    batches: Sequence[int],
    repeats: int,
    seed: int,
) -> list[ProfileRow]:
    """Saturated runs at every cap and batch, `repeats` of each.

    caps_w per card; batches of the whole node. InvalidInput outside what the node can be set to.
    """
    gpu, most = gpu_spec(gpu_model), max_batch_of(model_spec(model), gpus)
    if repeats < 1 or not all(1 <= batch <= most for batch in batches):
        raise InvalidInput(f"profile with at least one repeat and batches of 1-{most}")
    if not all(gpu.min_w <= cap_w <= gpu.max_w for cap_w in caps_w):
        raise InvalidInput(f"a {gpu_model} is capped at {gpu.min_w:g}-{gpu.max_w:g} W")
    random = np.random.default_rng((seed, crc32(f"{model} {gpu_model} {gpus}".encode())))
    return [
        _measured(_saturated(gpu, model_spec(model), gpus, cap_w, batch), random)
        for cap_w in caps_w
        for batch in batches
        for _ in range(repeats)
    ]


def _saturated(gpu: GpuSpec, model: ModelSpec, gpus: int, cap_w: float, batch: int) -> ProfileRow:
    point = operate(gpu, model, gpus, cap_w, batch)
    name = deployment_id(model.name, gpu.name, gpus)
    return ProfileRow(
        name, gpu.name, gpus, cap_w, batch, point.power_w, point.tok_s, point.itl_p95_ms
    )


def _measured(row: ProfileRow, random: np.random.Generator) -> ProfileRow:
    power, tok, itl = random.standard_normal(3).tolist()
    return replace(
        row,
        power_w=round(row.power_w * (1.0 + POWER_NOISE * power), 1),
        tok_s=round(row.tok_s * (1.0 + TOK_NOISE * tok), 1),
        itl_p95_ms=round(row.itl_p95_ms * (1.0 + TOK_NOISE * itl), 3),
    )


def write_profile_csv(path: Path, rows: Iterable[ProfileRow]) -> None:
    """Write rows as CSV with a header: the fields of ProfileRow in their order."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(ProfileRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
