"""From an instance to its answer: who runs, the policy, its certificate, and the words."""

from dataclasses import fields

import numpy as np

from orchestrator.domain.allocation.policies.admission import admit
from orchestrator.domain.allocation.policies.answer import Answer, Solved, answer
from orchestrator.domain.allocation.policies.assembly import read_instance
from orchestrator.domain.allocation.policies.efficiency import (
    cheapest_for_target,
    split_for_targets,
    watts_of,
)
from orchestrator.domain.allocation.policies.fair import split_fairly
from orchestrator.domain.allocation.policies.hull import build_hull
from orchestrator.domain.allocation.policies.instance import Bools, Instance
from orchestrator.domain.allocation.policies.reasons import (
    binding_words,
    tenants_short,
    unmet_words,
)
from orchestrator.domain.allocation.policies.throughput import (
    bound,
    prepare,
    split_points,
    worth,
)
from orchestrator.domain.allocation.tree import Floats, Ints


def solve_document(raw: bytes) -> dict[str, object]:
    """The result file of a problem file, as JSON types. Raises InvalidInput."""
    found = solve(read_instance(raw))
    return {field.name: getattr(found, field.name) for field in fields(found)}


def solve(instance: Instance) -> Answer:
    """Solve a problem under its policy; what cannot be met is said, never an error."""
    running = admit(instance, np.zeros(len(instance.min_w)), instance.min_w)
    solved = {"fair": _fair, "throughput": _throughput, "efficiency": _efficiency}[instance.policy](
        instance, running
    )
    hard = bool(len(tenants_short(instance, solved.watts))) or _curtailed(instance, solved)
    words = binding_words(instance, solved), tuple(unmet_words(instance, solved))
    return answer(instance, solved, *words, hard)


def _curtailed(instance: Instance, solved: Solved) -> bool:
    """Whether a device was left without a point, or a target without its watts.

    Others might have been left out instead: no bound over the rest bounds the whole.
    """
    if instance.policy == "efficiency":
        return bool(np.isnan(solved.price_by_place).any())
    has = np.diff(instance.curves.start) > 0
    return instance.policy == "throughput" and bool((has & (solved.point < 0)).any())


def _fair(instance: Instance, running: Bools) -> Solved:
    split = split_fairly(instance, np.where(running, instance.min_w, 0.0), running)
    shed_w = instance.request_w[instance.active & ~running]
    return Solved(
        watts=split.watts,
        running=running,
        point=np.full(len(running), -1, dtype=np.int64),
        objective=split.value + float(shed_w @ shed_w),
        bound=min(split.bound, split.value) + float(shed_w @ shed_w),
        price_by_place=split.price_by_place,
        price_by_row=split.price_by_row,
        wanted_w=np.where(instance.active, instance.request_w, instance.min_w),
    )


def cheapest_choice(instance: Instance, running: Bools) -> tuple[Ints, Floats]:
    """The first point of every running device that has room for it, and the watts of that."""
    curves = instance.curves
    held_w = np.where(running, instance.min_w, 0.0)
    has = running & (np.diff(curves.start) > 0)
    first = np.where(has, curves.start[:-1], -1)
    first_w, first_tok_s = (
        np.append(column, 0.0)[first] for column in (curves.watts, curves.tok_s)
    )
    needed_w = np.where(has, first_w, held_w)
    more_w = np.maximum(needed_w - held_w, 1e-9)
    placed = admit(instance, held_w, needed_w, instance.weight * first_tok_s / more_w)
    point = np.where(has & placed, curves.start[:-1], -1)
    return point, np.where(placed, needed_w, held_w)


def _throughput(instance: Instance, running: Bools) -> Solved:
    first, base_w = cheapest_choice(instance, running)
    task = prepare(instance, build_hull(instance.curves, instance.weight, first >= 0), base_w)
    split = split_points(task)
    objective = worth(task, split.point)
    parent = instance.nest.parent
    around = np.where(parent >= 0, split.price_by_place[parent], 0.0)
    return Solved(
        watts=watts_of(instance, split.point, base_w),
        running=running,
        point=split.point,
        objective=objective,
        bound=max(bound(task, split), objective),
        price_by_place=split.price_by_place - around,
        price_by_row=split.price_by_row,
        wanted_w=instance.max_w,
    )


def _efficiency(instance: Instance, running: Bools) -> Solved:
    first, base_w = cheapest_choice(instance, running)
    point, met = split_for_targets(instance, first, base_w)
    watts = watts_of(instance, point, base_w)
    wanted = np.where(first >= 0, cheapest_for_target(instance), -1)
    wanted_w = watts_of(instance, wanted, base_w)
    worthless = 0.0 if met.all() and running.all() else np.nan
    return Solved(
        watts=watts,
        running=running,
        point=point,
        objective=float(watts.sum()),
        bound=_least_w(instance, np.minimum(watts, wanted_w)),
        price_by_place=np.full(len(instance.nest.parent), worthless),
        price_by_row=np.full(len(instance.rows.name), worthless),
        wanted_w=np.where(_in_reach(instance, wanted), wanted_w, np.inf),
    )


def _in_reach(instance: Instance, wanted: Ints) -> Bools:
    """Whether the point that a device wants meets its target, as none may."""
    made = np.append(instance.curves.tok_s, 0.0)[wanted]
    reached: Bools = (wanted < 0) | ~(made < instance.target_tok_s * (1 - 1e-12))
    return reached


def _least_w(instance: Instance, needed_w: Floats) -> float:
    """No choice that serves the same devices as well draws less, tenants' minima included."""
    lack_w = np.maximum(instance.rows.least_w - instance.rows.sums(needed_w), 0.0)
    overlapping = bool((np.diff(instance.rows.of) > 1).any())
    extra_w = lack_w.max(initial=0.0) if overlapping else lack_w.sum()
    return float(needed_w.sum() + extra_w)
