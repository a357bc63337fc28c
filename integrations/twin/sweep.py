"""Profiling on the simulated plant: what an operator would measure, with measurement noise."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np

from integrations.twin.deployment import Deployment
from integrations.twin.gpus import gpu_named
from integrations.twin.node import OperatingPoint, SimNode, measured, saturated, steady
from orchestrator.domain.errors import InvalidInput

TOK_NOISE: Final = 0.02
POWER_NOISE: Final = 0.015
CAP_POINTS: Final = 9
BATCH_SHARES: Final = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
RUN_S: Final = 30.0
DRAIN_FROM_S: Final = 10.0
DRAIN_S: Final = 1.0
DRAIN_WINDOWS: Final = 3


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One saturated run of a node; cap_w per card, the rest for all of its cards together.

    clock_mhz: the highest SM clock that the cards were locked to, None where it was free.
    """

    deployment: str
    gpu_model: str
    gpus: int
    cap_w: float
    batch: int
    power_w: float
    tok_s: float
    itl_p95_ms: float
    itl_p99_ms: float
    clock_mhz: float | None


def default_caps_w(gpu_model: str) -> tuple[float, ...]:
    """Caps evenly over the card's range."""
    gpu = gpu_named(gpu_model)
    step_w = (gpu.max_w - gpu.min_w) / (CAP_POINTS - 1)
    return tuple(gpu.min_w + index * step_w for index in range(CAP_POINTS))


def default_batches(model: str, gpus: int, gpu_model: str = "H100") -> tuple[int, ...]:
    """Batches of the whole node, up to its largest."""
    most = Deployment(gpu_model, model, gpus).max_batch
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
    clocks_mhz: Sequence[float | None] = (None,),
    transients: bool = False,
) -> list[ProfileRow]:
    """Saturated runs at every cap, batch and clock, `repeats` of each.

    caps_w per card; batches of the whole node; a clock of None is free. transients: also rows of a
    node that was just told to go from its largest batch to a smaller one and still drains, at each
    cap. InvalidInput outside what the node can be set to.
    """
    deployment = Deployment(gpu_model, model, gpus)
    if repeats < 1:
        raise InvalidInput("profile with at least one repeat of each run")
    for batch in batches:
        deployment.check_batch(batch, deployment.id)
    random = np.random.default_rng((seed, crc32(f"{model} {gpu_model} {gpus}".encode())))
    rows = list(_runs(deployment, product(clocks_mhz, caps_w, batches, range(repeats)), seed))
    if transients:
        rows += [row for cap_w in caps_w for row in _draining(deployment, cap_w, batches, seed)]
    return [_measured(row, random) for row in rows]


def _runs(
    deployment: Deployment,
    settings: Iterable[tuple[float | None, float, int, int]],
    seed: int,
) -> Iterator[ProfileRow]:
    for index, (clock_mhz, cap_w, batch, _) in enumerate(settings):
        own = crc32(f"{seed} {index}".encode())
        point = steady(deployment, cap_w, batch, clock_mhz, seconds=RUN_S, seed=own)
        yield _row(deployment, cap_w, batch, clock_mhz, point)


def _draining(
    deployment: Deployment, cap_w: float, batches: Sequence[int], seed: int
) -> Iterator[ProfileRow]:
    """A node at its largest batch, then under the cap and the smallest batch, in short windows."""
    requests = saturated(deployment, 2.0 * DRAIN_FROM_S, seed)
    node = SimNode(deployment, requests, seed=seed, defects=False)
    node.set_batch_limit(max(batches))
    node.advance(DRAIN_FROM_S)
    node.set_cap_w(cap_w)
    node.set_batch_limit(min(batches))
    node.advance(DRAIN_FROM_S + DRAIN_S)
    for _ in range(DRAIN_WINDOWS):
        before = node.running
        point = measured(node, DRAIN_S)
        yield _row(deployment, cap_w, max(1, round((before + node.running) / 2)), None, point)


def _row(
    deployment: Deployment,
    cap_w: float,
    batch: int,
    clock_mhz: float | None,
    point: OperatingPoint,
) -> ProfileRow:
    return ProfileRow(
        deployment.id,
        deployment.gpu,
        deployment.gpus,
        cap_w,
        batch,
        point.power_w,
        point.tok_s,
        point.itl_p95_ms,
        point.itl_p99_ms,
        clock_mhz,
    )


def _measured(row: ProfileRow, random: np.random.Generator) -> ProfileRow:
    power, tok, itl, tail = random.standard_normal(4).tolist()
    p95_ms = round(row.itl_p95_ms * (1.0 + TOK_NOISE * itl), 3)
    return replace(
        row,
        power_w=round(row.power_w * (1.0 + POWER_NOISE * power), 1),
        tok_s=round(row.tok_s * (1.0 + TOK_NOISE * tok), 1),
        itl_p95_ms=p95_ms,
        itl_p99_ms=max(p95_ms, round(row.itl_p99_ms * (1.0 + TOK_NOISE * tail), 3)),
    )


def write_profile_csv(path: Path, rows: Iterable[ProfileRow]) -> None:
    """Write rows as CSV with a header: the fields of ProfileRow in their order."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(ProfileRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
