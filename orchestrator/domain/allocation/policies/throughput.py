"""The policy `throughput`: most weighted tokens, one frontier point a device.

Where limits nest, the prices at which the hulls' segments fit solve the linear relaxation;
rounding to whole points loses less than a segment a limit. Rows that cut across the nest are
priced by a subgradient method around that solution; the bound of the best prices is the gap's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchestrator.domain.allocation.policies.hull import Hull
from orchestrator.domain.allocation.policies.instance import Instance
from orchestrator.domain.allocation.policies.prices import price_levels
from orchestrator.domain.allocation.policies.rounding import stand, take_ties, use_left_over
from orchestrator.domain.allocation.policies.steps import lift_rows, room, take_in_order
from orchestrator.domain.allocation.tree import Floats, Ints

MAX_TURNS: Final = 60
TRIED_EVERY: Final = 5
SLIVER: Final = 1e-9
CLOSE: Final = 1e-4
"""A gap at which the prices of rows are good enough."""


@dataclass(frozen=True, slots=True)
class PointSplit:
    """point: into the instance's curves, -1 without. price: by place of the nest and by row.

    price_by_place: of the place and all limits around it, so its own price is the difference to
    its parent's.
    """

    point: Ints
    price_by_place: Floats
    price_by_row: Floats


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be split: the room above base_w, and the hulls of the running devices.

    value: weighted tok/s of every point of the curves.
    """

    instance: Instance
    hull: Hull
    base_w: Floats
    value: Floats
    room_w: Floats
    least_w: Floats
    most_w: Floats


def prepare(instance: Instance, hull: Hull, base_w: Floats) -> Task:
    """The task of an instance; base_w: the watts of every device's cheapest choice."""
    nest, rows, curves = instance.nest, instance.rows, instance.curves
    weight = np.repeat(instance.weight, np.diff(curves.start))
    row_base_w = rows.sums(base_w)
    return Task(
        instance=instance,
        hull=hull,
        base_w=base_w,
        value=weight * curves.tok_s,
        room_w=np.maximum(nest.room_w - nest.sums(base_w), 0.0),
        least_w=np.maximum(rows.least_w - row_base_w, 0.0),
        most_w=np.maximum(rows.most_w - row_base_w, 0.0),
    )


def split_points(task: Task) -> PointSplit:
    """The points of all devices; those without a frontier have none."""
    if len(task.instance.rows.name):
        return _split_with_rows(task)
    return _split_nested(task)


def bound(task: Task, split: PointSplit) -> float:
    """No choice of points for the same devices is worth more, by weak duality."""
    return _bound(task, split.price_by_place, split.price_by_row)


def worth(task: Task, point: Ints) -> float:
    """The weighted tok/s of a choice."""
    return float(task.value[point[point >= 0]].sum())


def _split_nested(task: Task) -> PointSplit:
    nest, rows, hull = task.instance.nest, task.instance.rows, task.hull
    price, holder = price_levels(nest, task.room_w, hull, hull.slope)
    point = stand(nest, hull, hull.slope, price)
    left = room(nest, rows, task.base_w + _more_w(task, point))
    take_ties(left, hull, price, point)
    use_left_over(left, holder, task.instance.curves, task.value, point)
    return PointSplit(point, price, np.zeros(0))


def _more_w(task: Task, point: Ints) -> Floats:
    if len(task.instance.curves.watts) == 0:
        return np.zeros(len(point))
    more_w: Floats = np.where(point >= 0, task.instance.curves.watts[point] - task.base_w, 0.0)
    return more_w


def _split_with_rows(task: Task) -> PointSplit:
    """Walk the rows' prices downhill on the bound; the best choice and the best bound count."""
    nest = task.instance.nest
    price = np.zeros(len(task.instance.rows.name))
    best, lack_w, reached, lowest = np.zeros(0, dtype=np.int64), np.inf, -np.inf, np.inf
    prices = (np.zeros(len(nest.parent)), price)
    for turn in range(MAX_TURNS):
        slope = _shifted(task, price)
        level, holder = price_levels(nest, task.room_w, task.hull, slope)
        above = _bound(task, level, price)
        if turn % TRIED_EVERY == 0:
            found = _in_order(task, level, holder, slope)
            lacking = _lack_w(task, found)
            if (-lacking, worth(task, found)) > (-lack_w, reached):
                best, lack_w, reached = found, lacking, worth(task, found)
        if above < lowest:
            lowest, prices = above, (level, price)
        if lowest - reached <= CLOSE * abs(lowest):
            break
        price = _downhill(task, price, level, slope, above - reached)
    return PointSplit(best, *prices)


def _shifted(task: Task, price: Floats) -> Floats:
    """Slopes less the prices of the rows over each device; what buys nothing then stays."""
    over = task.instance.rows.over(price)
    return task.hull.slope - np.repeat(over, np.diff(task.hull.start))


def _downhill(task: Task, price: Floats, level: Floats, slope: Floats, fall: float) -> Floats:
    """A Polyak step: as far as the bound would have to go to fall that much, were it linear."""
    rows = task.instance.rows
    point = stand(task.instance.nest, task.hull, slope, level)
    used = rows.sums(_more_w(task, point))
    over, under = used - task.most_w, used - task.least_w
    free = np.maximum(over, 0.0) + np.minimum(under, 0.0)
    excess = np.where(price > 0, over, np.where(price < 0, under, free))
    length = float(excess @ excess)
    if length == 0:
        return price
    moved = price + max(fall, 0.0) / length * excess
    return np.where(price * moved < 0, 0.0, moved)


def _in_order(task: Task, level: Floats, holder: Ints, slope: Floats) -> Ints:
    """A choice that keeps every limit and row: segments by their worth above all prices."""
    nest, rows, hull = task.instance.nest, task.instance.rows, task.hull
    curves = task.instance.curves
    left = room(nest, rows, task.base_w)
    owner = np.repeat(np.arange(len(left.at)), np.diff(hull.start))
    point = hull.corner[hull.start[:-1] + np.arange(len(left.at))]
    take_in_order(left, hull, np.argsort(level[left.at[owner]] - slope), owner, point)
    short = task.least_w - rows.sums(_more_w(task, point))
    lift_rows(left, curves, task.value, short, point)
    if _lack_w(task, point) > 0:
        point = _minima_first(task)
        left = room(nest, rows, task.base_w + _more_w(task, point))
    use_left_over(left, np.maximum(holder, 0), curves, task.value, point)
    return np.asarray(point, dtype=np.int64)


def _minima_first(task: Task) -> Ints:
    """The cheapest points, and above them what the rows' minima need; nothing for worth yet."""
    nest, rows, hull = task.instance.nest, task.instance.rows, task.hull
    left = room(nest, rows, task.base_w)
    point = hull.corner[hull.start[:-1] + np.arange(len(left.at))]
    lift_rows(left, task.instance.curves, task.value, task.least_w.copy(), point)
    return np.asarray(point, dtype=np.int64)


def _lack_w(task: Task, point: Ints) -> float:
    """Watts that the rows lack of their minima, rounding left out."""
    rows = task.instance.rows
    lack_w = task.least_w - rows.sums(_more_w(task, point))
    return float(lack_w[lack_w > SLIVER * (1.0 + task.least_w)].sum())


def _bound(task: Task, level: Floats, price: Floats) -> float:
    """What the rooms cost at the prices, and what every segment is worth above them."""
    nest, hull = task.instance.nest, task.hull
    around = np.where(nest.parent >= 0, level[nest.parent], 0.0)
    own_price = level - around
    priced = own_price > 0
    total = float(own_price[priced] @ task.room_w[priced])
    total += float(np.sum(price[price > 0] * task.most_w[price > 0]))
    total += float(np.sum(price[price < 0] * task.least_w[price < 0]))
    by_device = np.repeat(level, np.diff(nest.own))
    slope = _shifted(task, price) if len(price) else hull.slope
    above = slope - np.repeat(by_device, np.diff(hull.start))
    cheapest = hull.corner[hull.start[:-1] + np.arange(len(by_device))]
    return total + float(np.maximum(above, 0.0) @ hull.width_w) + worth(task, cheapest)
