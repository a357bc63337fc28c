"""How few points a SIMULATED profile needs: planned, on a grid, and at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from integrations.twin.sweep import default_batches, default_caps_w, profile_samples
from orchestrator.bench.models.twin import samples_of
from orchestrator.models.fit import DEFAULT_RECIPE
from orchestrator.models.forms import FORMS
from orchestrator.models.planner import lattice, plan
from orchestrator.models.points import TARGETS, Points

DEPLOYMENTS: Final = (("A100", "mixtral-8x7b", 4), ("H100", "qwen3-30b-a3b", 8))
COUNTS: Final = (8, 12, 16, 24, 36)
FIRST: Final = 8
AT_ONCE: Final = 4
SEEDS: Final = 3
FORM: Final = "physics+gaussian"
"""The learner that all three ways of choosing points are given."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Error as a fraction over the whole range, after so many points; means of some seeds."""

    deployment: str
    method: str
    points: int
    throughput_mape: float
    power_mape: float


class Site:
    """One simulated deployment: the points to choose from, and runs that all are judged on."""

    def __init__(self, gpu: str, model: str, gpus: int, seed: int) -> None:
        self.gpu, self.model, self.gpus, self.seed = gpu, model, gpus, seed
        caps_w, batches = default_caps_w(gpu), default_batches(model, gpus, gpu)
        self.caps_w, self.batches = (caps_w[0], caps_w[-1]), (batches[0], batches[-1])
        self.choices = lattice(self.caps_w, self.batches, gpus)
        self.name = f"{model} {gpu} x{gpus}"
        self.truth = self.measure(self.grid(13, 9), 1000 + seed, repeats=6)

    def grid(self, caps: int, batches: int) -> Points:
        """An even grid over the whole range."""
        return lattice(self.caps_w, self.batches, self.gpus, cap_steps=caps, batch_steps=batches)

    def measure(self, points: Points, seed: int, repeats: int = 1) -> Points:
        """Noisy runs at the points."""
        rows = [
            row
            for index, (cap_w, batch) in enumerate(zip(points.cap_w, points.batch, strict=True))
            for row in profile_samples(
                self.gpu,
                self.model,
                self.gpus,
                caps_w=[float(cap_w)],
                batches=[round(batch)],
                repeats=repeats,
                seed=1000 * seed + index,
            )
        ]
        return Points.of(samples_of(rows).frame)

    def errors(self, runs: Points) -> tuple[float, float]:
        """Throughput and power over the whole range."""
        cells, truth = runs.averaged(), self.truth.averaged()
        found = []
        for target in ("tok_s", "power_w"):
            predicted = FORMS[FORM](cells, target, DEFAULT_RECIPE)(truth)
            found.append(np.abs(np.expm1(predicted - np.log(truth.targets[target]))).mean())
        return float(found[0]), float(found[1])


def error_curves(seed: int) -> list[Curve]:
    """The error against the number of points, for each way of choosing them."""
    found = []
    for gpu, model, gpus in DEPLOYMENTS:
        site = Site(gpu, model, gpus, seed)
        errors: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for own in range(seed, seed + SEEDS):
            for method, count, runs in (*planned(site, own), *others(site, own)):
                errors.setdefault((method, count), []).append(site.errors(runs))
        for (method, count), values in errors.items():
            tok_s, power = np.mean(values, axis=0)
            found.append(Curve(site.name, method, count, float(tok_s), float(power)))
    return found


def planned(site: Site, seed: int) -> list[tuple[str, int, Points]]:
    """Points chosen a few at a time, each time from what the runs so far say."""
    runs: Points | None = None
    found = []
    while runs is None or len(runs) < max(COUNTS):
        count = FIRST if runs is None else AT_ONCE
        chosen = site.choices.where(np.array(plan(site.choices, runs, count)))
        fresh = site.measure(chosen, 10 * seed + (0 if runs is None else len(runs)))
        runs = fresh if runs is None else joined([runs, fresh])
        if len(runs) in COUNTS:
            found.append(("planned", len(runs), runs))
    return found


def others(site: Site, seed: int) -> list[tuple[str, int, Points]]:
    """A random choice of each size, and the even grid nearest to it."""
    random = np.random.default_rng(seed)
    found = []
    for count in COUNTS:
        chosen = random.choice(len(site.choices), count, replace=False)
        runs = site.measure(site.choices.where(chosen), 500 + 10 * seed + count)
        found.append(("random", count, runs))
        batches = max(2, round((count * 7 / 9) ** 0.5))
        grid = site.grid(max(2, count // batches), batches)
        found.append(("grid", count, site.measure(grid, 700 + 10 * seed + count)))
    return found


def joined(parts: Sequence[Points]) -> Points:
    """All points of some sets, in order."""
    return Points(
        np.concatenate([part.cap_w for part in parts]),
        np.concatenate([part.batch for part in parts]),
        np.concatenate([part.clock_mhz for part in parts]),
        parts[0].gpus,
        {name: np.concatenate([part.targets[name] for part in parts]) for name in TARGETS},
    )
