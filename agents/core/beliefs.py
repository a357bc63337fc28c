"""What the agent learns of its own node: how far the model is off, operating point by point.

Two corrections, of throughput and of power, each a factor on the model. A point that was never
tried is expected to be off as the others are; one that was tried long enough speaks for itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

Key = tuple[float, float | None, int]
"""Cap per card, clock lock, batch of an operating point."""

PRIOR: Final = 0.03
"""Standard deviation, as a fraction, of a model's error from point to point."""
NOISE: Final = 0.02
"""Standard deviation, as a fraction, of one measurement: a mean over several seconds."""
MEMORY: Final = 20.0
"""Measurements after which old ones begin to be forgotten."""
STRANGERS: Final = 2.0
"""How many tried points it takes to speak half for those that were never tried."""
FURTHEST: Final = 2.0
"""No measurement moves a correction further than by this factor."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Mean logarithms of measured over modelled at one point; weight: measurements it stands on."""

    tok: float = 0.0
    power: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Correction:
    """Factors on the model's throughput and power; spread: standard deviation, as a fraction."""

    tok: float
    power: float
    spread: float


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Everything learned. anywhere: what is expected of a point that was never tried."""

    cells: Mapping[Key, Belief] = field(default_factory=dict)
    anywhere: Belief = field(default_factory=Belief)

    def of(self, key: Key) -> Correction:
        """The correction of one point."""
        cell = self.cells.get(key, Belief())
        trust = cell.weight / (cell.weight + (NOISE / PRIOR) ** 2)
        tok = self.anywhere.tok + trust * (cell.tok - self.anywhere.tok)
        power = self.anywhere.power + trust * (cell.power - self.anywhere.power)
        return Correction(math.exp(tok), math.exp(power), PRIOR * math.sqrt(1.0 - trust))


def learn(beliefs: Beliefs, key: Key, tok_ratio: float, power_ratio: float) -> Beliefs:
    """Take one measurement: measured over modelled, both above 0, at one point."""
    cells = dict(beliefs.cells)
    cells[key] = _towards(cells.get(key, Belief()), _log(tok_ratio), _log(power_ratio))
    return replace(beliefs, cells=cells, anywhere=_mean(cells))


def _towards(cell: Belief, tok: float, power: float) -> Belief:
    weight = min(cell.weight + 1.0, MEMORY)
    return Belief(
        cell.tok + (tok - cell.tok) / weight, cell.power + (power - cell.power) / weight, weight
    )


def _mean(cells: Mapping[Key, Belief]) -> Belief:
    """The mean over tried points, drawn to zero while there are few measurements."""
    prior = (NOISE / PRIOR) ** 2
    trusts = [cell.weight / (cell.weight + prior) for cell in cells.values()]
    total = sum(trusts) + STRANGERS
    return Belief(
        sum(t * cell.tok for t, cell in zip(trusts, cells.values(), strict=True)) / total,
        sum(t * cell.power for t, cell in zip(trusts, cells.values(), strict=True)) / total,
    )


def _log(ratio: float) -> float:
    return math.log(min(FURTHEST, max(1.0 / FURTHEST, ratio)))
