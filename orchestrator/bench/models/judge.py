"""Judging fits: errors of unseen runs, with the form chosen without looking at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orchestrator.models.choice import Split, judge, splits
from orchestrator.models.fit import Recipe
from orchestrator.models.points import Floats, Points

JUDGED: Final = ("tok_s", "power_w")


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment on one kind of host.

    host: "same" or "held out". forms: chosen on all runs, by target. errors as fractions, each run
    predicted without it; runs: how many. outside: runs beyond the trained range, not judged.
    """

    deployment: str
    host: str
    forms: Mapping[str, str]
    throughput_mape: float
    power_mape: float
    runs: int
    outside: int = 0
    errors: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)


def same_host(deployment: str, runs: Points, recipe: Recipe) -> Row | None:
    """Cross-validated errors on one host; None when too few runs can be judged."""
    folds = list(splits(runs, recipe))
    if not folds:
        return None
    return row_of(deployment, "same", *_blind(folds, recipe))


def row_of(
    deployment: str,
    host: str,
    errors: Mapping[str, Floats],
    forms: Mapping[str, str],
    outside: int = 0,
) -> Row:
    """A row from logarithms of predicted over measured, by target."""
    return Row(
        deployment=deployment,
        host=host,
        forms=forms,
        throughput_mape=mape(errors["tok_s"]),
        power_mape=mape(errors["power_w"]),
        runs=len(errors["tok_s"]),
        outside=outside,
        errors=errors,
    )


def mape(errors: Floats) -> float:
    """Mean absolute error as a fraction from logarithms of predicted over measured."""
    return float(np.mean(np.abs(np.expm1(errors))))


def pooled(rows: Sequence[Row]) -> dict[str, float | int | None]:
    """Over all runs of all rows, and the median deployment; None without rows."""
    if not rows:
        return {"throughput_mape": None, "power_mape": None, "runs": 0, "deployments": 0}
    return {
        "throughput_mape": mape(np.concatenate([row.errors["tok_s"] for row in rows])),
        "power_mape": mape(np.concatenate([row.errors["power_w"] for row in rows])),
        "throughput_mape_median": float(np.median([row.throughput_mape for row in rows])),
        "power_mape_median": float(np.median([row.power_mape for row in rows])),
        "runs": sum(row.runs for row in rows),
        "deployments": len(rows),
    }


def _blind(folds: Sequence[Split], recipe: Recipe) -> tuple[dict[str, Floats], dict[str, str]]:
    judged = {target: judge(folds, target, recipe) for target in JUDGED}
    errors = {target: found.blind() for target, found in judged.items()}
    return errors, {target: found.best() for target, found in judged.items()}
