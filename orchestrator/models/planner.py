"""Which operating points to profile next, so that few suffice.

A profile begins with the corners, the low cap under the largest batch among them: that is where a
node is while the old batch still drains after a cut. Then come the points on which models that
explain the runs so far disagree most, weighted by how likely the allocator is to use them, and
away from what is known already.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np

from orchestrator.domain.errors import InvalidInput
from orchestrator.models.forms import FORMS
from orchestrator.models.points import FREE_MHZ, Floats, Points

FEW: Final = 6
"""Known cells below which models have nothing to disagree about."""
RESAMPLED: Final = 4
LEAST_WORTH: Final = 0.25
NEAR: Final = 0.3
"""Distance, as a share of the range, within which a point tells little new."""


class Trees:
    """How the planner's forests are grown; see models.forms.Growth."""

    trees = 30
    min_samples_leaf = 1
    seed = 0


def lattice(
    caps_w: tuple[float, float],
    batches: tuple[int, int],
    gpus: int,
    *,
    clocks_mhz: Sequence[float] = (FREE_MHZ,),
    cap_steps: int = 9,
    batch_steps: int = 7,
) -> Points:
    """The points to choose from: caps evenly, batches by equal ratios, between two ends each."""
    if not (0 < caps_w[0] <= caps_w[1] and 1 <= batches[0] <= batches[1]):
        raise InvalidInput("caps and batches need a low end above 0 and a high end not below it")
    caps = np.unique(np.linspace(*caps_w, cap_steps))
    sizes = np.unique(np.round(np.geomspace(*batches, batch_steps)))
    settings = np.array(list(product(caps, sizes, clocks_mhz)))
    return Points(settings[:, 0], settings[:, 1], settings[:, 2], gpus)


def plan(choices: Points, known: Points | None, count: int, seed: int = 0) -> list[int]:
    """Indices of the choices to measure next, the most telling first.

    known: runs so far, with tok_s and power_w. Cells that are known are not proposed again.
    """
    if count < 1:
        raise InvalidInput("plan at least one point")
    places = _places(choices, choices)
    measured = np.empty((0, places.shape[1])) if known is None else _places(known, choices)
    telling = np.ones(len(choices))
    if known is not None and known.cells().max() + 1 >= FEW:
        telling = _disagreement(choices, known.averaged(), seed)
    distance = _nearest(places, measured)
    chosen: list[int] = []
    for _ in range(count):
        score = telling * np.minimum(1.0, distance / NEAR) + _corner(places) * (distance > NEAR)
        score[distance < 1e-6] = -1.0
        best = int(np.argmax(score))
        if score[best] < 0:
            break
        chosen.append(best)
        distance = np.minimum(distance, _nearest(places, places[[best]]))
    return chosen


def _places(points: Points, choices: Points) -> Floats:
    """Axes of the choices scaled to 0..1; an axis without extent is 0."""
    low, high = (end(_axes(choices, choices), axis=0) for end in (np.min, np.max))
    found: Floats = (_axes(points, choices) - low) / np.where(high > low, high - low, 1.0)
    return found


def _axes(points: Points, choices: Points) -> Floats:
    return choices.axes.inputs(points.cap_w, points.batch, points.clock_mhz)


def _nearest(places: Floats, measured: Floats) -> Floats:
    """Distance of each place to the nearest measured one; far where there is none."""
    if not len(measured):
        return np.full(len(places), 10.0)
    distances = np.linalg.norm(places[:, None, :] - measured[None, :, :], axis=2)
    found: Floats = distances.min(axis=1)
    return found


def _corner(places: Floats) -> Floats:
    """Whether a place is a corner, those of the largest batch first: corners bound the range."""
    found: Floats = 2.0 * np.all((places == 0) | (places == 1), axis=1) + 0.1 * places[:, 1]
    return found


def _disagreement(choices: Points, cells: Points, seed: int) -> Floats:
    """Spread of the models' predictions at each choice, times its worth, at most 1."""
    spreads = [
        np.std(_predictions(choices, cells, target, seed), axis=0)
        for target in ("tok_s", "power_w")
    ]
    tok_s = np.exp(FORMS["physics"](cells, "tok_s", Trees())(choices))
    telling = (spreads[0] + spreads[1]) * _worth(choices, tok_s)
    found: Floats = telling / max(float(telling.max()), 1e-12)
    return found


def _predictions(choices: Points, cells: Points, target: str, seed: int) -> Floats:
    """Predictions of several forms and of the parametric form on resampled cells, (models, n)."""
    random = np.random.default_rng(seed)
    samples = [
        cells.where(np.sort(random.integers(0, len(cells), len(cells)))) for _ in range(RESAMPLED)
    ]
    models = [FORMS[form](cells, target, Trees()) for form in ("physics+gaussian", "gaussian")]
    models += [FORMS["physics"](each, target, Trees()) for each in (cells, *samples)]
    return np.stack([model(choices) for model in models])


def _worth(choices: Points, tok_s: Floats) -> Floats:
    """Near 1 where a point is about the fastest that its cap allows: that is what is used."""
    best = {cap_w: tok_s[choices.cap_w == cap_w].max() for cap_w in np.unique(choices.cap_w)}
    share = tok_s / np.array([best[cap_w] for cap_w in choices.cap_w])
    found: Floats = np.maximum(LEAST_WORTH, share)
    return found
