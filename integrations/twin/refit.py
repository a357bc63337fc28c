"""`ballast twin fit`: measured runs in, the coefficient file out, with what it gets wrong."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from integrations.twin.catalogue import Entry, dump_entries
from integrations.twin.deployment import Deployment
from integrations.twin.fit import fitted
from integrations.twin.measured import Group, Run, read_groups
from integrations.twin.node import OperatingPoint, steady
from integrations.twin.shaped import shaped_entries

SOURCE: Final = (
    "ML.ENERGY benchmark v3 (Apache-2.0): vLLM runs on H100 and B200 at the default power cap. "
    "Origin 'shaped': arXiv 2605.21427. Origin 'extrapolated': data sheets."
)
MOST_BATCH: Final[Mapping[str, int]] = {"dense": 256, "hybrid": 256, "moe": 512}
"""What an operator serves with, where the measured batches go beyond it."""

LEAST_S: Final = 60.0
LEAST_STEPS: Final = 3000


def refit(path: Path, say: Callable[[str], None] = lambda _: None) -> str:
    """The text of the coefficient file, fitted to a table of runs; `say` hears of each group."""
    found = []
    for group in read_groups(path):
        entry = _measured(group)
        say(f"{entry.gpu} {entry.model} x{entry.gpus}: {words(entry.residuals)}")
        found.append(entry)
    order = sorted((*found, *shaped_entries()), key=lambda e: (e.gpu, e.model, e.gpus))
    return dump_entries(order, SOURCE)


def words(residuals: Mapping[str, float]) -> str:
    """Residuals for people."""
    errors = (f"{name} {value:.1%}" for name, value in residuals.items() if name != "runs")
    return f"{residuals['runs']:.0f} runs, " + ", ".join(errors)


def _measured(group: Group) -> Entry:
    entry = Entry(
        gpu=group.gpu,
        model=group.model,
        gpus=group.gpus,
        kind=group.kind,
        origin="measured",
        task=group.task,
        max_batch=group.runs[-1].limit,
        batches=(group.runs[0].limit, group.runs[-1].limit),
        workload=group.workload,
        coefficients=fitted(group),
        residuals={},
    )
    most = min(entry.max_batch, MOST_BATCH[group.kind])
    return replace(entry, residuals=residuals(entry, group.runs), max_batch=most)


def residuals(entry: Entry, runs: tuple[Run, ...]) -> dict[str, float]:
    """Mean absolute errors of the simulator, relative to the measured runs."""
    pairs = [(simulated(entry, run), run) for run in runs]
    found = {
        "runs": float(len(runs)),
        "power": _mean([point.power_w / entry.gpus / run.power_w for point, run in pairs]),
        "tok_s": _mean([point.tok_s / run.tok_s for point, run in pairs]),
        "itl_mean": _mean([point.itl_mean_ms / run.step_ms for point, run in pairs]),
    }
    p99 = [point.itl_p99_ms / run.itl_ms[0.99] for point, run in pairs if 0.99 in run.itl_ms]
    return found | ({"itl_p99": _mean(p99)} if p99 else {})


def simulated(entry: Entry, run: Run) -> OperatingPoint:
    """The simulator at a measured run's batch, uncapped."""
    deployment = Deployment.of(replace(entry, max_batch=max(run.limit, entry.max_batch)))
    seconds = max(LEAST_S, 0.001 * LEAST_STEPS * run.step_ms)
    return steady(deployment, deployment.card.default_w, run.limit, seconds=seconds)


def _mean(ratios: list[float]) -> float:
    return sum(abs(ratio - 1.0) for ratio in ratios) / len(ratios)
