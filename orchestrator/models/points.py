"""Runs and cells of one deployment as arrays, and the range that they span."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from orchestrator.models.physics import Physics, fit_physics

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
TARGETS: Final = ("tok_s", "power_w", "itl_p95_ms", "itl_p99_ms")
RISES_WITH_CAP: Final = {"tok_s": True, "power_w": True, "itl_p95_ms": False, "itl_p99_ms": False}
FREE_MHZ: Final = float("inf")
"""The clock of cards that are not locked."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The measured values on every axis, sorted; the range is all that lies between their ends.

    caps_w per card, batches of the node, clocks_mhz the highest SM clocks, FREE_MHZ unlocked.
    """

    caps_w: tuple[float, ...]
    batches: tuple[float, ...]
    clocks_mhz: tuple[float, ...]

    def inputs(self, cap_w: ArrayLike, batch: ArrayLike, clock_mhz: ArrayLike) -> Floats:
        """What regressors see, (n, 3): cap, logarithm of the batch, clock with free as highest."""
        clock = np.asarray(clock_mhz, float)
        return np.column_stack(
            [
                np.asarray(cap_w, float),
                np.log(np.asarray(batch, float)),
                np.where(np.isfinite(clock), clock, self._free_mhz),
            ]
        )

    def knots(self) -> tuple[Floats, Floats, Floats]:
        """The measured values in the units of inputs()."""
        clocks = np.asarray(self.clocks_mhz)
        free = np.where(np.isfinite(clocks), clocks, self._free_mhz)
        return np.asarray(self.caps_w), np.log(np.asarray(self.batches)), free

    def ends(self) -> tuple[tuple[float, float], ...]:
        """The lowest and the highest value on every axis."""
        return tuple(
            (known[0], known[-1]) for known in (self.caps_w, self.batches, self.clocks_mhz)
        )

    def covers(self, cap_w: ArrayLike, batch: ArrayLike, clock_mhz: ArrayLike) -> Flags:
        """Which points lie inside the range; outside it predictions mean nothing."""
        inside = np.ones(np.shape(np.asarray(cap_w, float)), dtype=bool)
        for values, known in (
            (cap_w, self.caps_w), (batch, self.batches), (clock_mhz, self.clocks_mhz),
        ):  # fmt: skip
            asked = np.asarray(values, float)
            inside &= (asked >= known[0] * (1 - 1e-9)) & (asked <= known[-1] * (1 + 1e-9))
        return inside

    @property
    def _free_mhz(self) -> float:
        """Just above the highest lock: a free clock goes there at most."""
        locked = [clock for clock in self.clocks_mhz if clock != FREE_MHZ]
        return 1.05 * max(locked) if locked else 1.0


@dataclass(frozen=True, eq=False)
class Points:
    """n operating points of one node; targets: what was measured there, NaN where it was not."""

    cap_w: Floats
    batch: Floats
    clock_mhz: Floats
    gpus: int
    targets: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Points":
        """The runs of one deployment's samples, row by row."""
        return cls(
            cap_w=frame["cap_w"].to_numpy(float),
            batch=frame["batch"].to_numpy(float),
            clock_mhz=frame["clock_mhz"].fillna(FREE_MHZ).to_numpy(float),
            gpus=int(frame["gpus"].iloc[0]),
            targets={name: frame[name].to_numpy(float) for name in TARGETS},
        )

    def __len__(self) -> int:
        return len(self.cap_w)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Points":
        """The chosen points, by mask or index."""
        return Points(
            self.cap_w[chosen],
            self.batch[chosen],
            self.clock_mhz[chosen],
            self.gpus,
            {name: values[chosen] for name, values in self.targets.items()},
        )

    def known(self, target: str) -> "Points":
        """The points at which a target was measured."""
        measured = np.isfinite(self.targets[target])
        return self if measured.all() else self.where(measured)

    def cells(self) -> NDArray[np.int64]:
        """The number of the cell of every point: equal where cap, batch and clock are."""
        settings = np.column_stack([self.cap_w, self.batch, self.clock_mhz])
        found: NDArray[np.int64] = np.unique(settings, axis=0, return_inverse=True)[1].reshape(-1)
        return found

    def averaged(self) -> "Points":
        """One point a cell, the mean of its runs, in the order of cells()."""
        cells = self.cells()
        first = np.unique(cells, return_index=True)[1]
        means = {name: _means(values, cells) for name, values in self.targets.items()}
        return Points(self.cap_w[first], self.batch[first], self.clock_mhz[first], self.gpus, means)

    @cached_property
    def axes(self) -> Axes:
        """The measured values."""
        return Axes(
            caps_w=tuple(np.unique(self.cap_w).tolist()),
            batches=tuple(np.unique(self.batch).tolist()),
            clocks_mhz=tuple(np.unique(self.clock_mhz).tolist()),
        )

    @cached_property
    def physics(self) -> Physics:
        """The parametric form fitted to these points; made once however many forms ask."""
        return fit_physics(
            cap_w=self.cap_w,
            batch=self.batch,
            clock_mhz=self.clock_mhz,
            gpus=self.gpus,
            tok_s=self.targets["tok_s"],
            power_w=self.targets["power_w"],
        )


def _means(values: Floats, cells: NDArray[np.int64]) -> Floats:
    """Mean of what is known in each cell, NaN where nothing is."""
    known = np.isfinite(values)
    counts = np.bincount(cells[known], minlength=cells.max() + 1)
    sums = np.bincount(cells[known], weights=values[known], minlength=cells.max() + 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
