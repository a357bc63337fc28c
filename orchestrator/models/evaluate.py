"""How well models fitted to one profile predict the runs of another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.fit import DEFAULT_RECIPE, FittedModel, Recipe, fit
from orchestrator.models.points import FREE_MHZ, Floats
from orchestrator.models.samples import Samples


@dataclass(frozen=True, slots=True)
class Score:
    """Errors as fractions over the rows inside the valid range; None where there are none.

    coverage: the share of rows within the model's band, throughput and power together.
    outside: rows beyond the valid range, of which nothing is claimed.
    """

    throughput_mape: float | None
    power_mape: float | None
    coverage: float | None
    rows: int
    outside: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over all rows and by deployment. unknown: deployments that were not trained."""

    overall: Score
    by_deployment: Mapping[str, Score]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Errors:
    """Relative errors and band hits of the rows inside the range."""

    tok_s: Floats
    power_w: Floats
    held: Floats
    outside: int

    def score(self) -> Score:
        if not len(self.tok_s):
            return Score(None, None, None, 0, self.outside)
        return Score(
            throughput_mape=float(np.mean(self.tok_s)),
            power_mape=float(np.mean(self.power_w)),
            coverage=float(np.mean(self.held)),
            rows=len(self.tok_s),
            outside=self.outside,
        )


def evaluate(train: Samples, test: Samples, recipe: Recipe = DEFAULT_RECIPE) -> Evaluation:
    """Fit the deployments that both profiles name, and predict every row of the second.

    Raises InvalidProfile when they have none in common.
    """
    known = [name for name in test.deployments() if name in train.deployments()]
    if not known:
        raise InvalidProfile(
            f"no deployment is in both profiles: one has {', '.join(train.deployments())}, the "
            f"other {', '.join(test.deployments())}"
        )
    found = {name: _errors(fit(train, name, recipe), test.of(name).frame) for name in known}
    return Evaluation(
        overall=_pooled(list(found.values())).score(),
        by_deployment={name: errors.score() for name, errors in found.items()},
        unknown=tuple(name for name in test.deployments() if name not in known),
    )


def _errors(model: FittedModel, rows: pd.DataFrame) -> _Errors:
    gpus = int(rows["gpus"].iloc[0])
    if gpus != model.gpus:
        raise InvalidProfile(f"{model.deployment}: fitted on {model.gpus} cards, tested on {gpus}")
    asked = model.predict(rows["cap_w"], rows["batch"], rows["clock_mhz"].fillna(FREE_MHZ))
    errors, held = {}, []
    for target in ("tok_s", "power_w"):
        band, truth = asked[target], rows[target].to_numpy(float)
        errors[target] = np.abs(band.value / truth - 1.0)[asked.inside]
        held.append(((band.low <= truth) & (truth <= band.high))[asked.inside])
    outside = int((~asked.inside).sum())
    return _Errors(errors["tok_s"], errors["power_w"], np.mean(held, axis=0), outside)


def _pooled(parts: list[_Errors]) -> _Errors:
    return _Errors(
        np.concatenate([part.tok_s for part in parts]),
        np.concatenate([part.power_w for part in parts]),
        np.concatenate([part.held for part in parts]),
        sum(part.outside for part in parts),
    )
