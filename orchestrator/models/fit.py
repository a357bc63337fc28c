"""The model of one deployment: the forms that won, their error bands and their valid range."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.choice import Fit, choose, splits
from orchestrator.models.forms import FORMS
from orchestrator.models.points import FREE_MHZ, TARGETS, Axes, Flags, Floats, Points
from orchestrator.models.samples import MIN_BATCHES, Samples

NEEDED: Final = ("tok_s", "power_w")
SLOW: Final = ("forest", "boosting")
"""Forms that no latency competes on: they cost most and never win there."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit: with the samples it determines every prediction.

    trees, min_samples_leaf: of forests. forms: the contenders, see models.forms; for latencies only
    those that know something of serving or are smooth. folds: of the cross-validation over cells.
    version: raised when the same numbers would mean another fit.
    """

    trees: int = 24
    min_samples_leaf: int = 1
    seed: int = 0
    forms: tuple[str, ...] = tuple(FORMS)
    folds: int = 5
    version: int = 2

    def contenders(self, target: str) -> tuple[str, ...]:
        """The forms that compete for a target; latencies cost as much to judge as the rest."""
        few = tuple(form for form in self.forms if form not in SLOW)
        return self.forms if target in NEEDED else few or self.forms

    def __post_init__(self) -> None:
        if not 1 <= self.trees <= 2000 or self.min_samples_leaf < 1 or not 2 <= self.folds <= 50:
            raise InvalidProfile(
                "a recipe needs 1-2000 trees, min_samples_leaf of at least 1 and 2-50 folds"
            )
        if not self.forms or set(self.forms) - set(FORMS):
            raise InvalidProfile(f"forms are some of {', '.join(FORMS)}")


@dataclass(frozen=True, slots=True)
class Band:
    """Predictions with the range that holds about nine of ten runs; shapes are equal."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of n points. inside: within the valid range; elsewhere bands are NaN."""

    inside: Flags
    bands: Mapping[str, Band]

    def __getitem__(self, target: str) -> Band:
        return self.bands[target]


@dataclass(frozen=True, slots=True)
class FittedModel:
    """What is known about a deployment, and where it may be believed.

    axes: the measured values; the model is valid between their ends. version: hash of samples and
    recipe. fits: by target; a latency is missing where the profile did not measure it.
    """

    deployment: str
    gpu_model: str
    gpus: int
    version: str
    samples_sha256: str
    recipe: Recipe
    axes: Axes
    fits: Mapping[str, Fit]

    def predict(
        self, cap_w: ArrayLike, batch: ArrayLike, clock_mhz: ArrayLike | None = None
    ) -> Prediction:
        """Predictions by target at caps per card and batches of the node of one shape (n,).

        clock_mhz: locks, FREE_MHZ or None where there is none.
        """
        caps = np.atleast_1d(np.asarray(cap_w, float))
        batches = np.broadcast_to(np.asarray(batch, float), caps.shape)
        clocks = np.broadcast_to(FREE_MHZ if clock_mhz is None else clock_mhz, caps.shape)
        inside = self.axes.covers(caps, batches, clocks)
        asked = Points(caps[inside], batches[inside], np.asarray(clocks, float)[inside], self.gpus)
        bands = {target: _band(fit, asked, inside) for target, fit in self.fits.items()}
        return Prediction(inside, bands)

    def covers(self, cap_w: float, batch: float, clock_mhz: float | None = None) -> bool:
        """Whether a point lies inside the profiled range."""
        clock = FREE_MHZ if clock_mhz is None else clock_mhz
        return bool(self.axes.covers([cap_w], [batch], [clock])[0])

    def mape(self) -> dict[str, float]:
        """Error of unseen runs by target, as fractions."""
        return {target: fit.mape for target, fit in self.fits.items()}

    def metrics(self) -> dict[str, Any]:
        """What is recorded of the fit: forms, errors of all contenders, bands, valid range."""
        return {
            "mape": self.mape(),
            "form": {target: fit.form for target, fit in self.fits.items()},
            "contenders": {target: dict(fit.errors) for target, fit in self.fits.items()},
            "band": {target: fit.band for target, fit in self.fits.items()},
            "range": self.range(),
        }

    def range(self) -> dict[str, list[float | None]]:
        """The ends of the valid range by axis; a clock of None is unlocked."""
        ends = {
            "cap_w": self.axes.caps_w,
            "batch": self.axes.batches,
            "clock_mhz": self.axes.clocks_mhz,
        }
        return {
            name: [None if value == FREE_MHZ else value for value in (known[0], known[-1])]
            for name, known in ends.items()
        }


DEFAULT_RECIPE: Final = Recipe()


def fit(samples: Samples, deployment: str, recipe: Recipe = DEFAULT_RECIPE) -> FittedModel:
    """Fit one deployment; the same samples and recipe give the same model.

    Raises InvalidProfile if the deployment was not profiled, or too little to judge a fit.
    """
    own = samples.of(deployment)
    runs = Points.of(own.frame)
    cells, folds = runs.averaged(), list(splits(runs, recipe))
    measured = [target for target in TARGETS if target in NEEDED or _enough(runs, target)]
    return FittedModel(
        deployment=deployment,
        gpu_model=str(own.frame["gpu_model"].iloc[0]),
        gpus=runs.gpus,
        version=version_of(own, recipe),
        samples_sha256=own.sha256,
        recipe=recipe,
        axes=runs.axes,
        fits={target: choose(cells, folds, target, recipe) for target in measured},
    )


def version_of(samples: Samples, recipe: Recipe) -> str:
    """Short hash of one deployment's samples and the recipe."""
    text = json.dumps({"samples": samples.sha256, "recipe": asdict(recipe)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:12]


def _enough(runs: Points, target: str) -> bool:
    """Whether a latency was measured over the whole range: all targets share one."""
    known = runs.known(target)
    return len(known) >= MIN_BATCHES and known.axes.ends() == runs.axes.ends()


def _band(fit: Fit, asked: Points, inside: Flags) -> Band:
    value = np.full(inside.shape, np.nan)
    if len(asked):
        value[inside] = np.exp(fit.predictor(asked))
    return Band(value, value * np.exp(-fit.spread), value * np.exp(fit.spread))
