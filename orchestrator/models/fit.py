"""Random forests of throughput, power and latency, fitted to the samples of one deployment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestRegressor

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.samples import MIN_ROWS, Samples

Floats = NDArray[np.float64]
TARGETS: Final = ("tok_s", "power_w", "itl_p95_ms")
BAND: Final = 0.9
"""The share of cells that an error band is meant to hold."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit: with the samples it determines every prediction.

    trees: at least 30, so that each cell is out of some tree's bag. features: columns of the
    samples. version: raised when the same numbers would mean another fit.
    """

    trees: int = 60
    min_samples_leaf: int = 1
    seed: int = 0
    features: tuple[str, ...] = ("cap_w", "batch")
    version: int = 1

    def __post_init__(self) -> None:
        if not 30 <= self.trees <= 2000 or self.min_samples_leaf < 1:
            raise InvalidProfile("a recipe needs 30-2000 trees and min_samples_leaf of at least 1")
        if not self.features or set(self.features) - {"cap_w", "batch"}:
            raise InvalidProfile("features are cap_w, batch or both")


@dataclass(frozen=True, slots=True)
class Band:
    """Predictions with the range that holds about nine of ten unseen cells; shapes are equal."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """One target's forest on the logarithm, so that errors are relative.

    mape: mean absolute error of cells as a fraction, each predicted by the trees that never saw
    it. spread: the BAND quantile of the same errors, as a logarithm.
    """

    forest: Any = field(repr=False)
    mape: float
    spread: float

    def predict(self, inputs: Floats) -> Band:
        """Mean of the trees; the band is theirs or the unseen error, whichever is wider."""
        trees = np.stack([tree.predict(inputs) for tree in self.forest.estimators_])
        mean = trees.mean(axis=0)
        low, high = np.quantile(trees, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
        return Band(
            value=np.exp(mean),
            low=np.exp(np.minimum(low, mean - self.spread)),
            high=np.exp(np.maximum(high, mean + self.spread)),
        )


@dataclass(frozen=True, slots=True)
class FittedModel:
    """What is known about a deployment, and where it may be believed.

    caps_w (per card) and batches (of the node): the measured values, sorted; the model is valid
    between their ends. version: hash of samples and recipe. fits: by target; the latency is
    missing where the profile did not measure it.
    """

    deployment: str
    gpu_model: str
    gpus: int
    version: str
    samples_sha256: str
    recipe: Recipe
    caps_w: tuple[float, ...]
    batches: tuple[int, ...]
    fits: Mapping[str, Fit]

    def predict(self, cap_w: ArrayLike, batch: ArrayLike) -> dict[str, Band]:
        """Bands by target for caps per card and batches of the node of one shape (n,)."""
        inputs = self.inputs(cap_w, batch)
        return {target: fit.predict(inputs) for target, fit in self.fits.items()}

    def inputs(self, cap_w: ArrayLike, batch: ArrayLike) -> Floats:
        """The forests' inputs, (n, features)."""
        columns = {"cap_w": cap_w, "batch": batch}
        return np.column_stack([np.asarray(columns[n], float) for n in self.recipe.features])

    def covers(self, cap_w: float, batch: int) -> bool:
        """Whether a point lies inside the profiled range; outside it predictions mean nothing."""
        return (
            self.caps_w[0] <= cap_w <= self.caps_w[-1]
            and self.batches[0] <= batch <= self.batches[-1]
        )

    def mape(self) -> dict[str, float]:
        """Error of unseen cells by target, as fractions."""
        return {target: fit.mape for target, fit in self.fits.items()}


DEFAULT_RECIPE: Final = Recipe()


def fit(samples: Samples, deployment: str, recipe: Recipe = DEFAULT_RECIPE) -> FittedModel:
    """Fit one deployment; the same samples and recipe give the same model.

    Runs of one (cap, batch) are averaged into a cell first: what is out of a tree's bag is then
    unseen by it, repeats included. Raises InvalidProfile if the deployment was not profiled.
    """
    own = samples.of(deployment)
    means = own.frame.groupby(["cap_w", "batch"], as_index=False)[list(TARGETS)].mean()
    fits = {target: _fit(means.dropna(subset=[target]), target, recipe) for target in TARGETS}
    return FittedModel(
        deployment=deployment,
        gpu_model=str(own.frame["gpu_model"].iloc[0]),
        gpus=int(own.frame["gpus"].iloc[0]),
        version=version_of(own, recipe),
        samples_sha256=own.sha256,
        recipe=recipe,
        caps_w=tuple(sorted(own.frame["cap_w"].unique().tolist())),
        batches=tuple(sorted(own.frame["batch"].unique().tolist())),
        fits={target: found for target, found in fits.items() if found is not None},
    )


def version_of(samples: Samples, recipe: Recipe) -> str:
    """Short hash of one deployment's samples and the recipe."""
    text = json.dumps({"samples": samples.sha256, "recipe": asdict(recipe)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:12]


def _fit(cells: pd.DataFrame, target: str, recipe: Recipe) -> Fit | None:
    if target == "itl_p95_ms" and len(cells) < MIN_ROWS:
        return None
    truth = np.log(cells[target].to_numpy(dtype=np.float64))
    forest = RandomForestRegressor(
        n_estimators=recipe.trees,
        min_samples_leaf=recipe.min_samples_leaf,
        random_state=recipe.seed,
        oob_score=True,
        n_jobs=1,
    ).fit(cells[list(recipe.features)].to_numpy(dtype=np.float64), truth)
    unseen = forest.oob_prediction_ - truth
    mape = float(np.mean(np.abs(np.expm1(unseen))))
    return Fit(forest, mape, float(np.quantile(np.abs(unseen), BAND)))
