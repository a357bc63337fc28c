"""Fits of SIMULATED profiles: caps and batches on one host, and on hosts drawn with a spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from zlib import crc32

import numpy as np
import pandas as pd

from integrations.twin.fingerprint import twin_hash
from integrations.twin.sweep import (
    ProfileRow,
    default_batches,
    default_caps_w,
    profile_samples,
)
from orchestrator.bench.models.judge import JUDGED, Row, pooled, row_of, same_host
from orchestrator.models.fit import FittedModel, Recipe, fit
from orchestrator.models.points import Floats, Points
from orchestrator.models.samples import COLUMNS, Samples, read_profile

HOSTS: Final = 4
POWER_BETWEEN_HOSTS: Final = 0.15
TOK_BETWEEN_HOSTS: Final = 0.03
"""Median differences between two hosts, as repeated public runs of one configuration show."""
MEDIAN_PAIR: Final = 0.954
"""Median of |a - b| for two draws of the standard normal distribution."""
CALIBRATION_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Bed:
    """One simulated deployment to profile."""

    gpu: str
    model: str
    gpus: int

    @property
    def name(self) -> str:
        """Its id."""
        return self.profile(0, caps=1).deployments()[0]

    def profile(self, seed: int, *, caps: int | None = None) -> Samples:
        """Runs with noise at the default caps and batches."""
        caps_w = default_caps_w(self.gpu)[:caps]
        return self.at(caps_w, default_batches(self.model, self.gpus, self.gpu), seed)

    def between(self, seed: int) -> Samples:
        """Runs between the default caps and batches, where no profile was taken."""
        caps_w = [(low + high) / 2 for low, high in pairwise(default_caps_w(self.gpu))]
        batches = pairwise(default_batches(self.model, self.gpus, self.gpu))
        return self.at(caps_w, [round((low * high) ** 0.5) for low, high in batches], seed)

    def at(self, caps_w: Sequence[float], batches: Sequence[int], seed: int) -> Samples:
        """Runs with noise at every cap and batch."""
        rows = profile_samples(
            self.gpu, self.model, self.gpus, caps_w=caps_w, batches=batches, repeats=1, seed=seed
        )
        return samples_of(rows)


DEPLOYMENTS: Final = (
    Bed("A100", "mixtral-8x7b", 4),
    Bed("A100", "qwen1.5-moe-a2.7b", 4),
    Bed("H100", "llama-3.1-70b", 8),
    Bed("H100", "qwen3-30b-a3b", 8),
    Bed("B200", "gpt-oss-120b", 8),
)


def measure(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Errors by deployment: cross-validated, at cells never profiled, and on hosts held out."""
    same: list[Row] = []
    between: list[Row] = []
    held_out: list[Row] = []
    calibrated: list[Row] = []
    for bed in DEPLOYMENTS:
        train = bed.profile(seed)
        row = same_host(bed.name, Points.of(train.frame), recipe)
        same += [row] if row is not None else []
        model = fit(train, bed.name, recipe)
        between.append(_predicted(model, bed.between(seed + 1).frame, "same, new cells"))
        plain, corrected = _hosts(bed, recipe, seed)
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


def _hosts(bed: Bed, recipe: Recipe, seed: int) -> tuple[list[Row], list[Row]]:
    """Each drawn host predicted from the others; then with factors learned from a few runs."""
    random = np.random.default_rng((seed, crc32(bed.model.encode())))
    draws = random.standard_normal((HOSTS, 2)) / MEDIAN_PAIR
    frames = [
        on_host(
            bed.profile(seed + 10 + index).frame,
            power=float(np.exp(POWER_BETWEEN_HOSTS * power)),
            tok_s=float(np.exp(TOK_BETWEEN_HOSTS * tok)),
        )
        for index, (power, tok) in enumerate(draws)
    ]
    plain, corrected = [], []
    for index, test in enumerate(frames):
        train = pd.concat([frame for other, frame in enumerate(frames) if other != index])
        model = fit(read_profile(train.to_csv(index=False)), bed.name, recipe)
        row = _predicted(model, test, "held out")
        plain.append(row)
        corrected.append(_calibrated(row, random))
    return plain, corrected


def on_host(frame: pd.DataFrame, *, power: float, tok_s: float) -> pd.DataFrame:
    """The runs as another host would have them, two factors apart; power keeps to the caps.

    Latencies are left out: they are not judged here.
    """
    limit_w = frame["cap_w"] * frame["gpus"]
    power_w = np.minimum(frame["power_w"] * power, np.maximum(limit_w, frame["power_w"]))
    blank = dict.fromkeys(("itl_p95_ms", "itl_p99_ms"), float("nan"))
    return frame.assign(power_w=power_w, tok_s=frame["tok_s"] * tok_s, **blank)


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


def samples_of(rows: Sequence[ProfileRow]) -> Samples:
    """Simulated rows as the samples of a profile, however few."""
    frame = pd.DataFrame(
        [[getattr(row, column) for column in COLUMNS] for row in rows], columns=list(COLUMNS)
    )
    return read_profile(frame.to_csv(index=False), partial=True)
