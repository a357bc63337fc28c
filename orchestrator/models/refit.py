"""A refit: the profile at the level that nodes show now, with what they showed among its runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from orchestrator.domain.surface import Surface, surface_of
from orchestrator.models.fit import FittedModel, Recipe, fit
from orchestrator.models.frontier import candidates
from orchestrator.models.points import FREE_MHZ
from orchestrator.models.samples import COLUMNS, Samples, read_profile
from orchestrator.models.telemetry import Run

LEAST_RUNS: Final = 8
HELD_OUT: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute errors on held-out runs, as fractions."""

    throughput_mape: float
    power_mape: float

    @property
    def mean(self) -> float:
        """Of both."""
        return (self.throughput_mape + self.power_mape) / 2

    def __str__(self) -> str:
        return f"throughput {self.throughput_mape:.1%}, power {self.power_mape:.1%}"


@dataclass(frozen=True, slots=True)
class Refit:
    """A refit and its trial: errors of the model in use and of itself on runs it has not seen.

    profile_version: of the model fitted to the profile that it began from.
    """

    profile_version: str
    model: FittedModel
    samples: Samples
    held_out: int
    before: Errors
    after: Errors

    @property
    def refused(self) -> str | None:
        """Why it must not replace the model in use; None when it is better."""
        if self.after.mean < self.before.mean:
            return None
        return f"not better on {self.held_out} held-out runs: {self.after} against {self.before}"

    def metrics(self) -> dict[str, Any]:
        """What is recorded: those of the fit, the profile it began from, and the trial."""
        trial = {"runs": self.held_out, "before": self.before, "after": self.after}
        return {**self.model.metrics(), "profile_version": self.profile_version, "held_out": trial}


def refit(
    profile: Samples, runs: Sequence[Run], in_use: Surface, base: FittedModel, recipe: Recipe
) -> Refit | None:
    """Fit the older runs with the rescaled profile, and try both models on the newer runs.

    profile: of one deployment, as it was measured. runs: by time. in_use: of the present model.
    base: fitted to the profile. None when there are too few runs to try anything.
    """
    split = round(len(runs) * (1.0 - HELD_OUT))
    older, newer = runs[:split], runs[split:]
    if len(runs) < LEAST_RUNS:
        return None
    samples = _samples(profile, older, base)
    model = fit(samples, base.deployment, recipe)
    before = _errors(in_use, newer)
    after = _errors(surface_of(candidates(model)), newer)
    if before is None or after is None:
        return None
    return Refit(base.version, model, samples, len(newer), before, after)


def _samples(profile: Samples, runs: Sequence[Run], base: FittedModel) -> Samples:
    """The profile's rows times what the runs say of its level, and the runs themselves."""
    asked = base.predict(
        [run.cap_w for run in runs],
        [run.batch for run in runs],
        [run.clock_mhz or FREE_MHZ for run in runs],
    )
    level = {
        target: float(np.nanmedian([getattr(run, target) for run in runs] / asked[target].value))
        for target in ("tok_s", "power_w")
    }
    rows = profile.frame.copy()
    rows["tok_s"] *= level["tok_s"]
    rows["power_w"] = np.minimum(rows["power_w"] * level["power_w"], rows["cap_w"] * rows["gpus"])
    rows[["itl_p95_ms", "itl_p99_ms"]] /= level["tok_s"]
    table = pd.concat([rows.astype(object), _rows(runs, base).astype(object)])
    return read_profile(table.drop_duplicates().to_csv(index=False))


def _rows(runs: Iterable[Run], base: FittedModel) -> pd.DataFrame:
    rows = [
        {
            "deployment": base.deployment,
            "gpu_model": base.gpu_model,
            "gpus": base.gpus,
            "cap_w": run.cap_w,
            "batch": run.batch,
            "power_w": run.power_w,
            "tok_s": run.tok_s,
            "itl_p95_ms": run.itl_p95_ms,
            "itl_p99_ms": None,
            "clock_mhz": run.clock_mhz,
        }
        for run in runs
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _errors(surface: Surface, runs: Sequence[Run]) -> Errors | None:
    found = [
        (abs(expected.tok_s / run.tok_s - 1.0), abs(expected.power_w / run.power_w - 1.0))
        for run in runs
        if (expected := surface.at(run.cap_w, run.batch, run.clock_mhz)) is not None
    ]
    if not found:
        return None
    tok_s, power_w = np.mean(found, axis=0)
    return Errors(float(tok_s), float(power_w))
