"""Fits of SIMULATED profiles: caps and batches on one host, and on hosts drawn with a spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from integrations.twin.fingerprint import twin_hash
from integrations.twin.sweep import (
    ProfileRow,
    default_batches,
    default_caps_w,
    profile_samples,
)
from orchestrator.bench.models_judge import JUDGED, Row, pooled, row_of, same_host
from orchestrator.models.fit import FittedModel, Recipe, fit
from orchestrator.models.points import Floats, Points
from orchestrator.models.samples import COLUMNS, Samples, read_profile

DEPLOYMENTS: Final = (
    ("A100", "mixtral-8x7b", 4),
    ("A100", "qwen1.5-moe-a2.7b", 4),
    ("H100", "llama-3.1-70b", 8),
    ("H100", "qwen3-30b-a3b", 8),
    ("B200", "gpt-oss-120b", 8),
)
HOSTS: Final = 5
POWER_BETWEEN_HOSTS: Final = 0.15
TOK_BETWEEN_HOSTS: Final = 0.03
"""Median differences between two hosts, as repeated public runs of one configuration show."""
MEDIAN_PAIR: Final = 0.954
"""Median of |a - b| for two draws of the standard normal distribution."""
CALIBRATION_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Host:
    """Factors of one host on what the plant does."""

    power: float = 1.0
    tok_s: float = 1.0


def measure(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Errors by deployment: cross-validated, at cells never profiled, and on hosts held out."""
    same: list[Row] = []
    between: list[Row] = []
    held_out: list[Row] = []
    calibrated: list[Row] = []
    for gpu, model, gpus in DEPLOYMENTS:
        caps_w, batches = default_caps_w(gpu), default_batches(model, gpus, gpu)
        train = _profile(gpu, model, gpus, caps_w, batches, seed)
        name = train.deployments()[0]
        row = same_host(name, Points.of(train.frame), recipe)
        same += [row] if row is not None else []
        middle = _profile(gpu, model, gpus, _middles(caps_w), _ratios(batches), seed + 1)
        between.append(_predicted(fit(train, name, recipe), middle.frame, "same, new cells"))
        plain, corrected = _hosts(train, name, recipe, seed)
        held_out += plain
        calibrated += corrected
    return {
        "source": "simulated profiles, caps and batches, with measurement noise",
        "simulated": True,
        "twin": twin_hash(),
        "rows": [*same, *between, *held_out, *calibrated],
        "overall": {
            "same_host": pooled(same),
            "same_host_new_cells": pooled(between),
            "held_out_hosts": pooled(held_out),
            "held_out_hosts_calibrated": pooled(calibrated),
        },
        "floor": {"power": POWER_BETWEEN_HOSTS, "throughput": TOK_BETWEEN_HOSTS, "drawn": True},
    }


def _hosts(
    samples: Samples, deployment: str, recipe: Recipe, seed: int
) -> tuple[list[Row], list[Row]]:
    """Each drawn host predicted from the others; then with factors learned from a few runs."""
    random = np.random.default_rng((seed, len(samples.frame)))
    draws = random.standard_normal((HOSTS, 2)) / MEDIAN_PAIR
    hosts = [
        Host(float(np.exp(POWER_BETWEEN_HOSTS * power)), float(np.exp(TOK_BETWEEN_HOSTS * tok)))
        for power, tok in draws
    ]
    frames = [on_host(samples.frame, host) for host in hosts]
    plain, corrected = [], []
    for index, test in enumerate(frames):
        train = pd.concat([frame for other, frame in enumerate(frames) if other != index])
        model = fit(read_profile(train.to_csv(index=False)), deployment, recipe)
        row = _predicted(model, test, "held out")
        plain.append(row)
        corrected.append(_calibrated(row, random))
    return plain, corrected


def on_host(frame: pd.DataFrame, host: Host) -> pd.DataFrame:
    """The runs as another host would have them; its power never exceeds the caps."""
    limit_w = frame["cap_w"] * frame["gpus"]
    power_w = np.minimum(frame["power_w"] * host.power, np.maximum(limit_w, frame["power_w"]))
    return frame.assign(power_w=power_w, tok_s=frame["tok_s"] * host.tok_s)


def _calibrated(row: Row, random: np.random.Generator) -> Row:
    """The same predictions times one factor a target, the mean error of a few of the runs."""
    seen = random.choice(row.runs, CALIBRATION_RUNS, replace=False)
    errors = {
        target: np.delete(found - float(np.mean(found[seen])), seen)
        for target, found in row.errors.items()
    }
    return row_of(row.deployment, "held out, calibrated", errors, row.forms)


def _predicted(model: FittedModel, rows: pd.DataFrame, host: str) -> Row:
    asked = model.predict(rows["cap_w"], rows["batch"])
    errors: dict[str, Floats] = {
        target: np.log(asked[target].value / rows[target].to_numpy(float))[asked.inside]
        for target in JUDGED
    }
    forms = {target: model.fits[target].form for target in JUDGED}
    return row_of(model.deployment, host, errors, forms, int((~asked.inside).sum()))


def _profile(
    gpu: str, model: str, gpus: int, caps_w: Sequence[float], batches: Sequence[int], seed: int
) -> Samples:
    rows = profile_samples(gpu, model, gpus, caps_w=caps_w, batches=batches, repeats=1, seed=seed)
    return samples_of(rows)


def samples_of(rows: Sequence[ProfileRow]) -> Samples:
    """Simulated rows as the samples of a profile, however few."""
    frame = pd.DataFrame(
        [[getattr(row, column) for column in COLUMNS] for row in rows], columns=list(COLUMNS)
    )
    return read_profile(frame.to_csv(index=False), partial=True)


def _middles(caps_w: Sequence[float]) -> list[float]:
    return [(low + high) / 2 for low, high in zip(caps_w, caps_w[1:], strict=False)]


def _ratios(batches: Sequence[int]) -> list[int]:
    pairs = zip(batches, batches[1:], strict=False)
    return sorted({round((low * high) ** 0.5) for low, high in pairs})
