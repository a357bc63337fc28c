"""The whole benchmark: all cases, the gaps of many instances, the cold start, the machine."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import numpy as np

from orchestrator.bench.allocation import nvpax
from orchestrator.bench.allocation.instances import FANS, Shape
from orchestrator.bench.allocation.measure import Row, fair_rows, gaps, throughput_rows
from orchestrator.domain.errors import InvalidInput

COLD_WITHIN_S: Final = 300.0
LP_CHECKED: Final = 1_000
COLD_START: Final = """
from time import perf_counter
started = perf_counter()
from orchestrator.bench.allocation.instances import Shape, columns
from orchestrator.domain.allocation.policies.assembly import assemble
from orchestrator.domain.allocation.policies.solve import solve
solve(assemble(columns(Shape(1_000, 0, False), "fair", 1)))
print(1e3 * (perf_counter() - started))
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """sizes: numbers of GPUs. instances: for the throughput gaps. limit_s: for each reference."""

    sizes: Sequence[int]
    tenants: Sequence[int]
    instances: int
    limit_s: float
    seed: int


def bench(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything as one JSON object. Raises ConfigurationError without the reference solvers."""
    nvpax.solvers()
    unknown = [size for size in plan.sizes if size not in FANS]
    if unknown:
        known = ", ".join(map(str, FANS))
        raise InvalidInput(f"no facility of {unknown[0]} GPUs: choose from {known}")
    rows: list[Row] = []
    for shape in _shapes(plan):
        say(f"{shape.devices:,} GPUs, {shape.bottlenecks} bottlenecks, {shape.tenants} tenants")
        rows += fair_rows(shape, plan.limit_s, plan.seed)
        check = shape.devices == LP_CHECKED
        rows += throughput_rows(shape, plan.limit_s, plan.seed, check=check)
    say(f"throughput gaps over {plan.instances} instances")
    say_gaps = _quantiles(gaps(plan.instances, plan.seed))
    say("cold start")
    return {
        "rows": [row.plain() for row in rows],
        "throughput_gaps": say_gaps,
        "cold_start_ms": _cold_start_ms(compiled=False),
        "cached_start_ms": _cold_start_ms(compiled=True),
        "machine": _machine(),
        "seed": plan.seed,
    }


def _shapes(plan: Plan) -> list[Shape]:
    return [
        Shape(size, tenants, uneven)
        for size in plan.sizes
        for tenants in plan.tenants
        for uneven in (False, True)
    ]


def _quantiles(found: list[float]) -> dict[str, float]:
    return {
        "instances": len(found),
        "devices": LP_CHECKED,
        "median": float(np.median(found)),
        "p95": float(np.quantile(found, 0.95)),
        "worst": max(found),
    }


def _cold_start_ms(compiled: bool) -> float:
    """From a fresh interpreter to the first answer; without compiled code, it is compiled."""
    with TemporaryDirectory() as folder:
        apart = {} if compiled else {"NUMBA_CACHE_DIR": folder}
        started = perf_counter()
        subprocess.run(
            [sys.executable, "-c", COLD_START],
            env=os.environ | apart,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=COLD_WITHIN_S,
        )
        return 1e3 * (perf_counter() - started)


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "clarabel", "highspy")},
    }
