"""Which operating points to profile next, so that few suffice.

What is not known of a deployment is taken as the numbers of the parametric form, each uncertain,
and a smooth misfit on top. Every run narrows both. The next point is the one that narrows the
predictions most over all points, each weighted by how likely the allocator is to use it: optimal
design, one step at a time. A profile begins with two opposite corners, which span the range: the
low cap under the largest batch, where a node is while the old batch still drains after a cut, and
the high cap over the smallest.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np

from orchestrator.domain.errors import InvalidInput
from orchestrator.models.gaussian import matern
from orchestrator.models.physics import Physics, sensitivities, typical
from orchestrator.models.points import FREE_MHZ, Flags, Floats, Points

FEW: Final = 6
"""Known cells below which the parametric form is a typical one instead of a fitted one."""
UNSURE: Final = 0.7
"""Standard deviation of each packed number of the form before any run: a factor of two."""
MISFIT: Final = 0.03
MISFIT_LENGTH: Final = 0.4
"""What the form leaves unexplained, as a fraction; it is alike over this share of the range."""
NOISE: Final = 0.02
LEAST_WORTH: Final = 0.25


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


def plan(choices: Points, known: Points | None, count: int) -> list[int]:
    """Indices of the choices to measure next, the most telling first.

    known: runs so far, with tok_s and power_w. Cells that are known are not proposed again.
    """
    if count < 1:
        raise InvalidInput("plan at least one point")
    cells = known.averaged() if known is not None else None
    everything = choices if cells is None else _joined(choices, cells)
    form = _form(choices, cells)
    spread = _spread(everything, choices, form)
    for index in range(len(choices), len(everything)):
        spread = _narrowed(spread, index)
    free = ~_taken(choices, cells)
    worth = _worth(choices, form)
    first = _corners(choices) if cells is None else []
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        best = first.pop(0) if first else _most_telling(spread, worth, free)
        chosen.append(best)
        free[best] = False
        spread = _narrowed(spread, best)
    return chosen


def _form(choices: Points, cells: Points | None) -> Physics:
    if cells is not None and len(cells) >= FEW:
        return cells.physics
    return typical(choices.cap_w, choices.batch, choices.clock_mhz, choices.gpus)


def _spread(points: Points, choices: Points, form: Physics) -> Floats:
    """Covariance of what is not known of both targets' logarithms, (2, n, n)."""
    slopes = sensitivities(form, points.cap_w, points.batch, points.clock_mhz)
    places = _places(points, choices) / MISFIT_LENGTH
    misfit = MISFIT**2 * matern(places, places)
    found: Floats = UNSURE**2 * slopes @ slopes.transpose(0, 2, 1) + misfit
    return found


def _narrowed(spread: Floats, index: int) -> Floats:
    """The covariance after a run at one point."""
    column = spread[:, :, index]
    total = spread[:, index, index] + NOISE**2
    found: Floats = spread - column[:, :, None] * column[:, None, :] / total[:, None, None]
    return found


def _most_telling(spread: Floats, worth: Floats, free: Flags) -> int:
    """The choice whose run takes most away from the weighted variance of all choices."""
    n = len(worth)
    own = spread[:, :n, :n]
    gains = (own**2 * worth[None, :, None]).sum(axis=1)
    totals = np.diagonal(own, axis1=1, axis2=2) + NOISE**2
    return int(np.argmax(np.where(free, (gains / totals).sum(axis=0), -1.0)))


def _corners(choices: Points) -> list[int]:
    """The low cap under the largest batch, and the high cap over the smallest; clocks free."""
    cap_w, batch = choices.cap_w, choices.batch
    drains = (cap_w == cap_w.min()) & (batch == batch.max())
    idles = (cap_w == cap_w.max()) & (batch == batch.min())
    return [int(np.flatnonzero(corner)[-1]) for corner in (drains, idles)]


def _joined(left: Points, right: Points) -> Points:
    return Points(
        np.concatenate([left.cap_w, right.cap_w]),
        np.concatenate([left.batch, right.batch]),
        np.concatenate([left.clock_mhz, right.clock_mhz]),
        left.gpus,
    )


def _taken(choices: Points, cells: Points | None) -> Flags:
    """Which choices were measured already."""
    if cells is None:
        return np.zeros(len(choices), dtype=bool)
    places, measured = _places(choices, choices), _places(cells, choices)
    distances = np.linalg.norm(places[:, None, :] - measured[None, :, :], axis=2)
    found: Flags = distances.min(axis=1) < 1e-3
    return found


def _places(points: Points, choices: Points) -> Floats:
    """Axes of the choices scaled to 0..1; an axis without extent is 0."""
    low, high = (end(_axes(choices, choices), axis=0) for end in (np.min, np.max))
    found: Floats = (_axes(points, choices) - low) / np.where(high > low, high - low, 1.0)
    return found


def _axes(points: Points, choices: Points) -> Floats:
    return choices.axes.inputs(points.cap_w, points.batch, points.clock_mhz)


def _worth(choices: Points, form: Physics) -> Floats:
    """Near 1 where a point is about the fastest that its cap allows: that is what is used."""
    tok_s = form.tok_s(choices.cap_w, choices.batch, choices.clock_mhz)
    best = {cap_w: tok_s[choices.cap_w == cap_w].max() for cap_w in np.unique(choices.cap_w)}
    share = tok_s / np.array([best[cap_w] for cap_w in choices.cap_w])
    found: Floats = np.maximum(LEAST_WORTH, share)
    return found
