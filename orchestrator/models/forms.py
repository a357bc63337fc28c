"""The forms that compete to describe a deployment: each learns the logarithm of one target."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, RegularGridInterpolator
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.isotonic import isotonic_regression
from threadpoolctl import threadpool_limits

from orchestrator.models.gaussian import fit_gaussian
from orchestrator.models.points import RISES_WITH_CAP, Axes, Floats, Points

Predictor = Callable[[Points], Floats]
"""Logarithms of the target at n points."""
ROUNDS: Final = 40
RATE: Final = 0.2
LEAVES: Final = 8


class Growth(Protocol):
    """How trees are grown."""

    @property
    def trees(self) -> int: ...
    @property
    def min_samples_leaf(self) -> int: ...
    @property
    def seed(self) -> int: ...


Form = Callable[[Points, str, Growth], Predictor]
Learner = Callable[[Points, Floats, str, Growth], Predictor]


def forest(points: Points, truth: Floats, _target: str, growth: Growth) -> Predictor:
    """A random forest on cap, batch and clock, as in PALS (arXiv 2605.21427)."""
    trees = RandomForestRegressor(
        n_estimators=growth.trees,
        min_samples_leaf=growth.min_samples_leaf,
        random_state=growth.seed,
        n_jobs=1,
    )
    return _between_knots(points.axes, trees.fit(_inputs(points.axes, points), truth))


def boosting(points: Points, truth: Floats, target: str, growth: Growth) -> Predictor:
    """Gradient boosting that is monotone along caps and clocks."""
    way = 1 if RISES_WITH_CAP[target] else -1
    trees = HistGradientBoostingRegressor(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=2,
        monotonic_cst=[way, 0, way],
        early_stopping=False,
        random_state=growth.seed,
    )
    with threadpool_limits(1):  # a pool costs more than these few rows
        trees.fit(_inputs(points.axes, points), truth)
        return _between_knots(points.axes, trees)


def gaussian(points: Points, truth: Floats, _target: str, _growth: Growth) -> Predictor:
    """A Gaussian process on the logarithms of cap, batch and clock."""
    process = fit_gaussian(_logs(points.axes, points), truth)
    return lambda asked: process.mean(_logs(points.axes, asked))


def interpolation(points: Points, truth: Floats, target: str, _growth: Growth) -> Predictor:
    """Monotone curves along the caps of each batch, and lines between batches and clocks."""
    rising = RISES_WITH_CAP[target]
    clocks = np.unique(points.clock_mhz)
    layers = [_layer(points, truth, points.clock_mhz == clock, rising) for clock in clocks]
    knots = points.axes.knots()[2]

    def predict(asked: Points) -> Floats:
        heights = [layer(asked) for layer in layers]
        return _across(knots, np.stack(heights), _inputs(points.axes, asked)[:, 2])

    return predict


def physics(points: Points, target: str, _growth: Growth) -> Predictor:
    """The parametric form; a latency is its step time, and a tail that depends on the batch."""
    form = points.physics
    if target == "tok_s":
        return lambda asked: np.log(form.tok_s(asked.cap_w, asked.batch, asked.clock_mhz))
    if target == "power_w":
        return lambda asked: np.log(form.power_w(asked.cap_w, asked.batch, asked.clock_mhz))
    tail = np.log(points.targets[target]) - _log_step(points, points)
    weights = np.linalg.lstsq(_tail_terms(points), tail, rcond=None)[0]
    return lambda asked: _log_step(points, asked) + _tail_terms(asked) @ weights


def _log_step(known: Points, asked: Points) -> Floats:
    found: Floats = np.log(known.physics.step_ms(asked.cap_w, asked.batch, asked.clock_mhz))
    return found


def _tail_terms(points: Points) -> Floats:
    batch = np.log(points.batch)
    return np.column_stack([np.ones_like(batch), batch, batch**2])


def _plain(learner: Learner) -> Form:
    def form(points: Points, target: str, growth: Growth) -> Predictor:
        return learner(points, np.log(points.targets[target]), target, growth)

    return form


def _on_physics(learner: Learner) -> Form:
    """The parametric form, and a learner of what it leaves unexplained."""

    def form(points: Points, target: str, growth: Growth) -> Predictor:
        base = physics(points, target, growth)
        rest = learner(points, np.log(points.targets[target]) - base(points), target, growth)
        return lambda asked: base(asked) + rest(asked)

    return form


FORMS: Final[Mapping[str, Form]] = {
    "forest": _plain(forest),
    "boosting": _plain(boosting),
    "gaussian": _plain(gaussian),
    "interpolation": _plain(interpolation),
    "physics": physics,
    "physics+forest": _on_physics(forest),
    "physics+gaussian": _on_physics(gaussian),
}


def _inputs(axes: Axes, points: Points) -> Floats:
    return axes.inputs(points.cap_w, points.batch, points.clock_mhz)


def _logs(axes: Axes, points: Points) -> Floats:
    """Logarithms on all axes: equal ratios are equal distances."""
    inputs = _inputs(axes, points)
    return np.column_stack([np.log(inputs[:, 0]), inputs[:, 1], np.log(inputs[:, 2])])


def _between_knots(axes: Axes, regressor: Any) -> Predictor:
    """Trees are staircases: they are asked at measured values, with lines drawn between."""
    knots = axes.knots()
    grid = np.meshgrid(*knots, indexing="ij")
    heights = regressor.predict(np.column_stack([part.ravel() for part in grid]))
    heights = heights.reshape([len(knot) for knot in knots])
    wide = [index for index, knot in enumerate(knots) if len(knot) > 1]
    if not wide:
        return lambda asked: np.full(len(asked), float(heights.ravel()[0]))
    table = RegularGridInterpolator([knots[index] for index in wide], heights.squeeze())

    def predict(asked: Points) -> Floats:
        inputs = _inputs(axes, asked)[:, wide]
        low, high = (np.array([knots[index][end] for index in wide]) for end in (0, -1))
        found: Floats = table(np.clip(inputs, low, high))
        return found

    return predict


def _layer(points: Points, truth: Floats, chosen: NDArray[np.bool_], rising: bool) -> Predictor:
    """The surface over caps and batches at one clock."""
    cap_w, batch, heights = points.cap_w[chosen], points.batch[chosen], truth[chosen]
    batches = np.unique(batch)
    curves = [_curve(cap_w[batch == each], heights[batch == each], rising) for each in batches]

    def predict(asked: Points) -> Floats:
        along = np.stack([curve(asked.cap_w) for curve in curves])
        return _across(np.log(batches), along, np.log(asked.batch))

    return predict


def _curve(cap_w: Floats, heights: Floats, rising: bool) -> Callable[[Floats], Floats]:
    """A monotone curve through the caps of one batch, level beyond its ends."""
    order = np.argsort(cap_w)
    caps_w, level = cap_w[order], isotonic_regression(heights[order], increasing=rising)
    if len(caps_w) == 1:
        return lambda asked_w: np.full(len(asked_w), float(level[0]))
    curve = PchipInterpolator(caps_w, level)
    return lambda asked_w: np.asarray(curve(np.clip(asked_w, caps_w[0], caps_w[-1])), float)


def _across(knots: Floats, heights: Floats, asked: Floats) -> Floats:
    """Lines between rows of heights (knots, n), one asked place for each of the n columns."""
    if len(knots) == 1:
        return np.asarray(heights[0], float)
    right = np.clip(np.searchsorted(knots, asked), 1, len(knots) - 1)
    left = right - 1
    share = np.clip((asked - knots[left]) / (knots[right] - knots[left]), 0.0, 1.0)
    column = np.arange(len(asked))
    found: Floats = (1.0 - share) * heights[left, column] + share * heights[right, column]
    return found
