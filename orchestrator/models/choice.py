"""Which form describes a deployment best: measured on cells and caps that it has not seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Protocol

import numpy as np

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.forms import FORMS, Growth, Predictor
from orchestrator.models.points import Flags, Floats, Points

BAND: Final = 0.9
"""The share of runs that an error band is meant to hold."""
CAP_FOLDS: Final = 3
FEW_CELLS: Final = 10
"""Up to so many cells each is left out alone."""


class Contest(Growth, Protocol):
    """Which forms compete for a target, and on how many folds."""

    def contenders(self, target: str) -> Sequence[str]: ...

    @property
    def folds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Fit:
    """One target's chosen form, fitted to all cells.

    errors: mean absolute error of every contender on runs it has not seen, as fractions.
    mape: of the chosen one. spread: the half width of its band, as a logarithm. judged: runs.
    """

    form: str
    errors: Mapping[str, float]
    mape: float
    spread: float
    judged: int
    predictor: Predictor = field(repr=False, compare=False)

    @property
    def band(self) -> float:
        """The half width of the error band as a fraction."""
        return float(np.expm1(self.spread))


@dataclass(frozen=True, slots=True)
class Judgement:
    """Errors of unseen runs by form, as logarithms of predicted over measured; shapes are equal."""

    errors: Mapping[str, Floats]

    def mape(self, form: str) -> float:
        """Mean absolute error of a form as a fraction."""
        return float(np.mean(np.abs(np.expm1(self.errors[form]))))

    def best(self) -> str:
        """The form with the lowest mean absolute error."""
        return min(self.errors, key=self.mape)

    def blind(self) -> Floats:
        """Errors where each run's form was chosen without looking at that run's own errors."""
        forms = list(self.errors)
        size = np.abs(np.stack([self.errors[form] for form in forms]))
        others = size.sum(axis=1, keepdims=True) - size
        chosen = np.argmin(others, axis=0)
        return np.array([self.errors[forms[form]][run] for run, form in enumerate(chosen)])


Split = tuple[Points, Points]
"""Cells to learn from, and unseen runs inside their range."""


def judge(folds: Sequence[Split], target: str, contest: Contest) -> Judgement:
    """Let every contender predict the unseen runs of every fold from the rest.

    Raises InvalidProfile when there are none.
    """
    found: dict[str, list[Floats]] = {form: [] for form in contest.contenders(target)}
    for seen, unseen in folds:
        known, asked = seen.known(target), unseen.known(target)
        for form, errors in found.items():
            predict = FORMS[form](known, target, contest)
            errors.append(predict(asked) - np.log(asked.targets[target]))
    if not any(len(errors) for errors in next(iter(found.values()))):
        raise InvalidProfile(
            "too few caps and batches to judge a fit by leaving some out; profile more points"
        )
    return Judgement({form: np.concatenate(errors) for form, errors in found.items()})


def choose(cells: Points, folds: Sequence[Split], target: str, contest: Contest) -> Fit:
    """Let the forms compete for one target, and fit the winner to every cell."""
    judgement = judge(folds, target, contest)
    best = judgement.best()
    errors = judgement.errors[best]
    return Fit(
        form=best,
        errors={form: judgement.mape(form) for form in judgement.errors},
        mape=judgement.mape(best),
        spread=conformal(errors),
        judged=len(errors),
        predictor=FORMS[best](cells.known(target), target, contest),
    )


def conformal(errors: Floats, share: float = BAND) -> float:
    """The half width that holds a share of new errors like these, with the finite-sample term."""
    size = np.sort(np.abs(errors))
    rank = ceil((len(size) + 1) * share)
    return float(size[min(rank, len(size)) - 1])


def splits(runs: Points, contest: Contest) -> Iterator[Split]:
    """Leave cells out, then whole caps; a run counts inside the range of what is left."""
    for left_out in (*_cell_folds(runs, contest), *_cap_folds(runs)):
        if left_out.all() or not left_out.any():
            continue
        seen, unseen = runs.where(~left_out).averaged(), runs.where(left_out)
        inside = seen.axes.covers(unseen.cap_w, unseen.batch, unseen.clock_mhz)
        if inside.any():
            yield seen, unseen.where(inside)


def _cell_folds(runs: Points, contest: Contest) -> list[Flags]:
    cells = runs.cells()
    count = int(cells.max()) + 1
    order = np.random.default_rng(contest.seed).permutation(count)
    folds = count if count <= FEW_CELLS else contest.folds
    return [np.isin(cells, order[fold::folds]) for fold in range(folds)]


def _cap_folds(runs: Points) -> list[Flags]:
    """Inner caps, left out whole: how well a form draws what lies between."""
    inner = runs.axes.caps_w[1:-1]
    return [np.isin(runs.cap_w, inner[fold::CAP_FOLDS]) for fold in range(CAP_FOLDS)][: len(inner)]
