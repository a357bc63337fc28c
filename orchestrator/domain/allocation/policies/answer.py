"""What a policy found, by position, and the same by id as it is written to the result file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from orchestrator.domain.allocation.policies.assembly import BUDGET
from orchestrator.domain.allocation.policies.instance import Bools, Instance, Policy
from orchestrator.domain.allocation.tree import Floats, Ints

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Solved:
    """A policy's answer in the order of the instance; see Answer for objective and bound.

    running: who was let in. point: into the curves, -1 where none was chosen. price_by_place: on
    top of the limits around, NaN where unknown. wanted_w: what each device would rather have,
    infinite where its target is beyond its frontier.
    """

    watts: Floats
    running: Bools
    point: Ints
    objective: float
    bound: float
    price_by_place: Floats
    price_by_row: Floats
    wanted_w: Floats


@dataclass(frozen=True, slots=True)
class Answer:
    """The result file; docs/allocation.md describes it. Ids in sorted order.

    upper_bound: the best that any allocation could reach, so objective is at most that for
    throughput, and at least that for fair and efficiency, which minimise. gap: their relative
    distance. Both are None where something hard is unmet, since the bound then bounds nothing.
    """

    policy: Policy
    allocations: Mapping[str, float]
    points: Mapping[str, int | None]
    objective: float
    upper_bound: float | None
    gap: float | None
    prices: Mapping[str, float | None]
    tenant_prices: Mapping[str, float | None]
    binding: Mapping[str, str]
    unmet: tuple[str, ...]
    notes: tuple[str, ...]


def answer(
    instance: Instance, solved: Solved, binding: list[str], unmet: tuple[str, ...], hard: bool
) -> Answer:
    """By id. hard: something is unmet for which no bound and no price can be stated."""
    order = instance.order
    prices, tenant_prices = _prices(instance, solved, hard)
    bound = None if hard else solved.bound
    return Answer(
        policy=instance.policy,
        allocations=_by_id(instance, solved.watts[np.argsort(order)].tolist()),
        points=_points(instance, solved),
        objective=solved.objective,
        upper_bound=bound,
        gap=None if bound is None else relative_gap(solved.objective, bound),
        prices=prices,
        tenant_prices=tenant_prices,
        binding=_by_id(instance, [binding[at] for at in np.argsort(order).tolist()]),
        unmet=unmet,
        notes=instance.notes,
    )


def relative_gap(objective: float, bound: float) -> float:
    """The distance over the larger of the two, 0 where they differ by rounding only."""
    scale = max(abs(objective), abs(bound))
    return abs(objective - bound) / scale if scale > 0 else 0.0


def _by_id(instance: Instance, values: list[Value]) -> dict[str, Value]:
    return dict(zip(instance.device_ids, values, strict=True))


def _points(instance: Instance, solved: Solved) -> dict[str, int | None]:
    """Of the devices that have a frontier, None where no point fits."""
    if instance.policy == "fair":
        return {}
    point = solved.point[np.argsort(instance.order)]
    index = np.append(instance.curves.entry, -1)[point].tolist()
    has = instance.has_frontier.tolist()
    chosen = [None if at < 0 else at for at in index]
    found = zip(instance.device_ids, chosen, has, strict=True)
    return {name: at for name, at, known in found if known}


def _prices(
    instance: Instance, solved: Solved, hard: bool
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    limits = np.zeros(len(instance.limit_ids) + 1)
    limits[instance.nest.limit] = solved.price_by_place  # the budget's place is -1, the last
    tenants = np.zeros(len(instance.tenant_ids))
    for name, price in zip(instance.rows.name.tolist(), solved.price_by_row, strict=True):
        if name >= 0:
            limits[name] = price
        else:
            tenants[-1 - name] = price
    names = list(instance.limit_ids)
    if np.isfinite(instance.nest.room_w[0]):
        names.append(BUDGET)
    if hard:
        limits[:], tenants[:] = np.nan, np.nan
    known = [_known(price) for price in limits.tolist()]
    return (
        dict(zip(names, known, strict=False)),
        dict(zip(instance.tenant_ids, map(_known, tenants.tolist()), strict=True)),
    )


def _known(price: float) -> float | None:
    return None if np.isnan(price) else price
