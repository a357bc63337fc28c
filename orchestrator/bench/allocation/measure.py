"""One case of the benchmark: Ballast and the others on the same arrays, in the same run."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Final, TypeVar

import numpy as np

from orchestrator.bench.allocation import nvpax, simple
from orchestrator.bench.allocation.instances import LEVELS, Shape, columns, document
from orchestrator.domain.allocation.policies.admission import admit
from orchestrator.domain.allocation.policies.assembly import assemble
from orchestrator.domain.allocation.policies.document import read_columns
from orchestrator.domain.allocation.policies.efficiency import watts_of
from orchestrator.domain.allocation.policies.fair import FairSplit, split_fairly
from orchestrator.domain.allocation.policies.hull import build_hull
from orchestrator.domain.allocation.policies.instance import Instance, Policy
from orchestrator.domain.allocation.policies.solve import cheapest_choice
from orchestrator.domain.allocation.policies.throughput import (
    bound,
    prepare,
    split_points,
    worth,
)
from orchestrator.domain.allocation.tree import Floats

Found = TypeVar("Found")

REPEATS: Final = 9
OURS: Final = "ballast"
SHORT_OF_TIME: Final = "skipped: over {:.0f} s"


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one case. Times in ms: warm medians, from arrays to watts.

    objective_gap: relative to `against`; above 0 is worse than that. satisfaction: of the active
    devices' requests. parse_ms, hull_ms, certificate_ms, setup_ms: None where a method has none.
    excess_w: the most that any limit or tenant maximum is exceeded. note: what is to be known.
    """

    devices: int
    levels: int
    tenants: int
    bottlenecks: str
    policy: str
    method: str
    ms_median: float | None
    objective_gap: float | None = None
    against: str | None = None
    satisfaction: float | None = None
    parse_ms: float | None = None
    hull_ms: float | None = None
    certificate_ms: float | None = None
    setup_ms: float | None = None
    phase_one_ms: float | None = None
    excess_w: float | None = None
    note: str = ""

    def plain(self) -> dict[str, object]:
        """One JSON object."""
        return asdict(self)


def fair_rows(shape: Shape, limit_s: float, seed: int) -> Iterator[Row]:
    """Ballast, nvPAX by solvers and the simple methods on one fair case."""
    found = columns(shape, "fair", seed)
    parse_ms = _parse_ms(document(found))
    instance = assemble(found)
    split, ms = _timed(lambda: _fair(instance))
    reference = nvpax.solve(instance, limit_s)
    best = None if reference.phase_one_w is None else distance(instance, reference.phase_one_w)
    goal, against = (split.bound, "own bound") if best is None else (best, "QP")
    yield _row(
        shape, "fair", OURS, ms, instance, split.watts,
        objective_gap=_gap(split.value, goal), against=against, parse_ms=parse_ms,
        certificate_ms=0.0, note=f"own bound: {_gap(split.value, split.bound):.1e} away",
    )  # fmt: skip
    yield _reference_row(shape, instance, reference, limit_s)
    for name, method in simple.METHODS.items():
        watts, simple_ms = _timed(lambda method=method: method(instance))  # type: ignore[misc]
        gap = _gap(distance(instance, watts), goal)
        yield _row(
            shape, "fair", name, simple_ms, instance, watts, objective_gap=gap, against=against
        )


def throughput_rows(shape: Shape, limit_s: float, seed: int, check: bool) -> Iterator[Row]:
    """Ballast on one throughput case, the same watts by simple methods, HiGHS where it is asked."""
    found = columns(shape, "throughput", seed)
    parse_ms = _parse_ms(document(found))
    instance = assemble(found)
    first, base_w = cheapest_choice(instance, _everybody(instance))
    hull, hull_ms = _timed(lambda: build_hull(instance.curves, instance.weight, first >= 0))
    split, ms = _timed(lambda: split_points(prepare(instance, hull, base_w)))
    task = prepare(instance, hull, base_w)
    above, certificate_ms = _timed(lambda: bound(task, split))
    lp, setup_ms, lp_ms = nvpax.relaxation(instance, limit_s) if check else (None, 0.0, 0.0)
    goal, against = (above, "own bound") if lp is None else (lp, "LP")
    reached = worth(task, split.point)
    yield _row(
        shape, "throughput", OURS, ms, instance, watts_of(instance, split.point, base_w),
        objective_gap=_gap(goal, reached, goal), against=against, parse_ms=parse_ms,
        hull_ms=hull_ms, certificate_ms=certificate_ms,
    )  # fmt: skip
    if check:
        note = "" if lp is not None else SHORT_OF_TIME.format(limit_s)
        own = "" if lp is None else f"own bound: {_gap(above, lp):.1e} above"
        yield _row(
            shape, "throughput", "LP (HiGHS)", lp_ms if lp is not None else None, instance, None,
            objective_gap=0.0 if lp is not None else None, against="LP", setup_ms=setup_ms,
            note=note or own,
        )  # fmt: skip
    for name, method in simple.METHODS.items():
        point, simple_ms = _timed(lambda method=method: _under(instance, method(instance)))  # type: ignore[misc]
        yield _row(
            shape, "throughput", name, simple_ms, instance, watts_of(instance, point, base_w),
            objective_gap=_gap(goal, worth(task, point), goal), against=against,
        )  # fmt: skip


def gaps(count: int, seed: int) -> list[float]:
    """Relative gaps to the linear relaxation's bound over instances of 1,000 devices."""
    found = []
    for at in range(count):
        shape = Shape(1_000, 0, uneven=bool(at % 2))
        instance = assemble(columns(shape, "throughput", seed + at))
        first, base_w = cheapest_choice(instance, _everybody(instance))
        hull = build_hull(instance.curves, instance.weight, first >= 0)
        task = prepare(instance, hull, base_w)
        split = split_points(task)
        above = bound(task, split)
        found.append((above - worth(task, split.point)) / above)
    return found


def distance(instance: Instance, watts: Floats) -> float:
    """The sum of squares between the active devices' requests and what they get of them."""
    short = np.minimum(watts, instance.request_w) - instance.request_w
    return float(np.sum(short[instance.active] ** 2))


def satisfaction(instance: Instance, watts: Floats) -> float:
    """What the active devices get of their requests, as a share of them."""
    request = instance.request_w[instance.active]
    return float(np.minimum(request, watts[instance.active]).sum() / request.sum())


def _fair(instance: Instance) -> FairSplit:
    running = _everybody(instance)
    return split_fairly(instance, np.where(running, instance.min_w, 0.0), running)


def _everybody(instance: Instance) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return admit(instance, np.zeros(len(instance.min_w)), instance.min_w)


def _under(instance: Instance, watts: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The last point that each device can hold with its watts; frontiers have equal lengths."""
    curves = instance.curves
    device = np.repeat(np.arange(len(watts)), np.diff(curves.start))
    held = np.bincount(device, curves.watts <= watts[device] + 1e-9, len(watts))
    return np.asarray(curves.start[:-1] + np.maximum(held, 1) - 1, dtype=np.int64)


def _reference_row(shape: Shape, instance: Instance, found: nvpax.Reference, limit_s: float) -> Row:
    watts = found.watts if found.watts is not None else found.phase_one_w
    first, surplus = found.phase_one_ms, found.surplus_ms
    note = f"{found.rounds} LPs"
    if surplus is None:
        note = f"surplus {SHORT_OF_TIME.format(limit_s)}" if first else f"QP: {found.status}"
    return _row(
        shape, "fair", "nvPAX (Clarabel, HiGHS)",
        first + surplus if first is not None and surplus is not None else None,
        instance, watts, objective_gap=0.0 if watts is not None else None, against="QP",
        setup_ms=found.setup_ms, phase_one_ms=first, note=note,
    )  # fmt: skip


def _row(
    shape: Shape, policy: Policy, method: str, ms: float | None, instance: Instance,
    watts: Floats | None, **more: object,
) -> Row:  # fmt: skip
    known = {} if watts is None else {"excess_w": _excess_w(instance, watts)}
    if watts is not None and policy == "fair":
        known["satisfaction"] = satisfaction(instance, watts)
    return Row(
        devices=shape.devices, levels=LEVELS, tenants=shape.tenants,
        bottlenecks=shape.bottlenecks, policy=policy, method=method, ms_median=ms,
        **known, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _excess_w(instance: Instance, watts: Floats) -> float:
    over = instance.nest.sums(watts) - instance.nest.room_w
    rows = instance.rows.sums(watts) - instance.rows.most_w
    return max(float(over.max(initial=0.0)), float(rows.max(initial=0.0)), 0.0)


def _gap(value: float, goal: float, scale: float | None = None) -> float:
    return (value - goal) / max(abs(goal if scale is None else scale), 1e-9)


def _parse_ms(raw: bytes) -> float:
    started = perf_counter()
    assemble(read_columns(raw))
    return 1e3 * (perf_counter() - started)


def _timed(work: Callable[[], Found]) -> tuple[Found, float]:
    """The result, and the median time of a few runs after a warm-up."""
    found = work()
    spent = []
    for _ in range(REPEATS):
        started = perf_counter()
        found = work()
        spent.append(1e3 * (perf_counter() - started))
    return found, median(spent)
