"""A Gaussian process small enough to be searched on a grid, so that it is the same every time."""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

Floats = NDArray[np.float64]

LENGTHS: Final = (0.4, 1.0, 3.0)
"""Candidate length scales, in standard deviations of an axis."""
NOISES: Final = (0.003, 0.03, 0.3)
"""Candidate noise, as a share of the targets' variance."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Places (n, axes) in standard units divided by the length scales, and what was learned.

    weights: (n,), of the kernel at each place. root: Cholesky factor of the covariance.
    """

    centre: Floats
    scale: Floats
    places: Floats
    weights: Floats
    root: Floats
    level: float
    spread: float

    def mean(self, inputs: Floats) -> Floats:
        """Expected values at (m, axes) inputs."""
        found: Floats = self.level + self.spread * (self._kernel(inputs) @ self.weights)
        return found

    def deviation(self, inputs: Floats) -> Floats:
        """Standard deviations at (m, axes) inputs, without the noise of a measurement."""
        kernel = self._kernel(inputs)
        known = np.einsum("ij,ij->i", kernel, cho_solve((self.root, True), kernel.T).T)
        found: Floats = self.spread * np.sqrt(np.clip(1.0 - known, 1e-9, None))
        return found

    def _kernel(self, inputs: Floats) -> Floats:
        return matern((inputs - self.centre) / self.scale, self.places)


def fit_gaussian(inputs: Floats, truth: Floats) -> Gaussian:
    """The most likely length scales and noise of a fixed grid; (n, axes) inputs, (n,) truth."""
    centre, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    varies = deviation > 1e-9
    deviation = np.where(varies, deviation, 1.0)
    level, spread = float(truth.mean()), max(float(truth.std()), 1e-6)
    heights = (truth - level) / spread
    choices = product(*(LENGTHS if varied else (1.0,) for varied in varies))
    best: tuple[float, Gaussian] | None = None
    for lengths, noise in product(choices, NOISES):
        scale = deviation * np.asarray(lengths)
        places = (inputs - centre) / scale
        covariance = matern(places, places) + noise * np.eye(len(places))
        root = cholesky(covariance, lower=True)
        weights = cho_solve((root, True), heights)
        likelihood = -0.5 * float(heights @ weights) - float(np.log(np.diag(root)).sum())
        if best is None or likelihood > best[0] + 1e-9:
            best = likelihood, Gaussian(centre, scale, places, weights, root, level, spread)
    if best is None:
        raise ValueError("a Gaussian process needs points to learn from")
    return best[1]


def matern(left: Floats, right: Floats) -> Floats:
    """The Matern kernel of smoothness 5/2 between (m, axes) and (n, axes)."""
    distance = np.sqrt(((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2))
    root = np.sqrt(5.0) * distance
    found: Floats = (1.0 + root + root**2 / 3.0) * np.exp(-root)
    return found
