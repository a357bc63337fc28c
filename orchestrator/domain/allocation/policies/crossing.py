"""The quadratic programme with rows that cut across the nest: Newton's method on their prices.

For fixed prices of the rows the nest has a closed form (`water_levels`), so the dual is a concave
function of few variables, piecewise quadratic. Its curvature follows from which devices are
between their bounds and which limit holds them. Steps that gain too little are shortened
(Levenberg, Marquardt); a row without curvature, none of whose devices can move a little, is
searched on its own.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.instance import Bools, Nest, Rows
from orchestrator.domain.allocation.policies.levels import Asks, water_levels
from orchestrator.domain.allocation.policies.sums import least_around
from orchestrator.domain.allocation.tree import Floats, Ints

MAX_STEPS: Final = 60
RIDGES: Final = (1e-13, 1e-8, 1e-4, 1.0)
"""Tried in turn: where rows only trade watts among themselves, steps must be kept short."""
STRETCHES: Final = (1e6, 1e4, 1e2, 1.0)
"""Tried in turn for rows without curvature: the levels follow such a row a long way."""
HALVES: Final = 5
CLOSE: Final = 1e-9
"""How far a row's sum may be off, relative to the watts in the row."""


@dataclass(frozen=True, slots=True)
class Quadratic:
    """Minimise sum (x - wish)^2 / (2 give), 0 <= x <= top, under a nest and rows.

    asks: by device, in watts above the minima; give is how easily a device moves. room_w: by
    place of the nest. least_w, most_w: by row.
    """

    nest: Nest
    rows: Rows
    room_w: Floats
    least_w: Floats
    most_w: Floats
    asks: Asks


@dataclass(frozen=True, slots=True)
class Balance:
    """A solution: watts, water levels by place with their holders, and prices of the rows.

    asked_w: what devices want at these levels and prices, before it is clipped to their range.
    price is above 0 where a row's maximum holds, below 0 where its minimum does. value, bound:
    the objective and its dual.
    """

    x_w: Floats
    asked_w: Floats
    level: Floats
    holder: Ints
    price: Floats
    value: float
    bound: float


def balance(problem: Quadratic) -> Balance:
    """Solve to rounding; with rows, to CLOSE or as near as MAX_STEPS come.

    Prices are bounded, so that where rows contradict each other minima give way to maxima.
    """
    found = _at(problem, np.zeros(len(problem.rows.name)), np.nan)
    if len(problem.rows.name) == 0:
        return found
    steepest = 4.0 * float(np.max(problem.asks.top + problem.asks.wish, initial=1.0))
    for _ in range(MAX_STEPS):
        miss, wrong = _misses(problem, found)
        wrong &= (miss > 0) | (found.price > -steepest)
        if not wrong.any():
            break
        better = _improve(problem, found, miss, wrong, steepest)
        if better is None:
            break
        found = better
    return _within(problem, found)


def _within(problem: Quadratic, found: Balance) -> Balance:
    """Scale down what rounding, or rows that contradict each other, left above a maximum."""
    used = problem.rows.sums(found.x_w)
    if not (used > problem.most_w).any():
        return found
    share = np.ones(len(used))
    np.divide(problem.most_w, used, out=share, where=used > problem.most_w)
    ones = np.ones(len(problem.room_w))
    x = found.x_w * least_around(problem.nest, problem.rows, ones, share)
    return replace(found, x_w=x, value=float(_distance(x, problem.asks)))


def _at(problem: Quadratic, price: Floats, hint: float) -> Balance:
    rows, asks = problem.rows, problem.asks
    shifted = asks
    if len(price):
        shifted = asks._replace(wish=asks.wish - asks.give * rows.over(price))
    level, holder, x = water_levels(problem.nest, problem.room_w, shifted, 0.0, hint)
    value = float(_distance(x, asks))
    slack = rows.sums(x) - np.where(price > 0, problem.most_w, problem.least_w)
    bound = value + float(np.sum(price * np.where(price == 0, 0.0, slack)))
    asked = shifted.wish - asks.give * np.repeat(level, np.diff(problem.nest.own))
    return Balance(x, asked, level, holder, price, value, bound)


def _misses(problem: Quadratic, found: Balance) -> tuple[Floats, Bools]:
    """By row, watts above (or below, negative) what its price wants, and where that is too far."""
    used, price = problem.rows.sums(found.x_w), found.price
    above, below = used - problem.most_w, used - problem.least_w
    miss = np.where(price > 0, above, np.where(price < 0, below, 0.0))
    free = np.where(above > 0, above, np.where(below < 0, below, 0.0))
    miss = np.where(price == 0, free, miss)
    return miss, np.abs(miss) > CLOSE * (1.0 + problem.rows.sums(problem.asks.top))


def _improve(
    problem: Quadratic, found: Balance, miss: Floats, wrong: Bools, steepest: float
) -> Balance | None:
    """The next prices: a Newton step that raises the bound, shortened as far as that takes."""
    inner = (found.price != 0) & (found.price > -steepest)
    chosen = np.flatnonzero(wrong | inner)
    curve, flat = _curve(problem, found, chosen)
    alone = _search_alone(problem, found, miss, chosen[flat])
    for ridge in RIDGES:
        newton = np.zeros(len(miss))
        newton[chosen[~flat]] = _solved(curve, miss[chosen[~flat]], ridge)
        for stretch in STRETCHES if flat.any() else (1.0,):
            for half in range(HALVES):
                step = (newton + stretch * alone) * 0.5**half
                price = np.clip(found.price + step, -steepest, steepest * (1 + len(step)))
                price[price * found.price < 0] = 0.0
                better = _at(problem, price, float(found.level[0]))
                if _gains(problem, found, better, miss):
                    return better
    return None


def _gains(problem: Quadratic, found: Balance, better: Balance, miss: Floats) -> bool:
    """A fair part of what the slope promises; in rounding, rows that come nearer."""
    promised = float(miss @ (better.price - found.price))
    if better.bound > found.bound + 1e-4 * max(promised, 0.0):
        return True
    if better.bound < found.bound - 1e-12 * (abs(found.bound) + abs(promised)):
        return False
    left = float(np.abs(_misses(problem, better)[0]).max())
    return left < 0.5 * float(np.abs(miss).max())


def _curve(problem: Quadratic, found: Balance, chosen: Ints) -> tuple[Floats, Bools]:
    """The curvature of the chosen rows that have any, and which of them have none."""
    index = np.full(len(found.price), -1, dtype=np.int64)
    index[chosen] = np.arange(len(chosen))
    by_holder = np.argsort(found.holder, kind="stable")
    curve = _curvature(
        problem.nest, problem.rows, found.holder, by_holder, index, len(chosen), found.asked_w,
        problem.asks,
    )  # fmt: skip
    diagonal = np.diag(curve)
    flat = diagonal <= 1e-9 * max(float(diagonal.max(initial=0.0)), 1e-300)
    return curve[np.ix_(~flat, ~flat)], flat


def _solved(curve: Floats, miss: Floats, ridge: float) -> Floats:
    root = np.sqrt(np.diag(curve))
    even = curve / root[:, None] / root[None, :]
    even[np.diag_indices(len(root))] += ridge
    return np.asarray(np.linalg.solve(even, miss / root) / root, dtype=np.float64)


def _search_alone(problem: Quadratic, found: Balance, miss: Floats, flat: Ints) -> Floats:
    """Steps of rows without curvature, each as if the levels and other rows stood still."""
    step = np.zeros(len(miss))
    rows, asks = problem.rows, problem.asks
    level = np.repeat(found.level, np.diff(problem.nest.own)) + rows.over(found.price)
    for row in flat:
        device = rows.device[rows.start[row] : rows.start[row + 1]]
        own = Asks(asks.wish[device], asks.give[device], asks.top[device])
        target = float(np.sum(found.x_w[device]) - miss[row])
        step[row] = _alone(own, level[device], target)
    return step


@njit(cache=True, nogil=True)
def _distance(x: Any, asks: Any) -> float:
    total = 0.0
    for device in range(len(x)):
        total += (x[device] - asks.wish[device]) ** 2 / asks.give[device]
    return 0.5 * total


@njit(cache=True, nogil=True)
def _alone(asks: Any, level: Any, target: float) -> float:
    """The shift of the level at which the devices of one row draw its target."""
    low, high = np.inf, -np.inf
    for device in range(len(level)):
        wish, give, top = asks.wish[device], asks.give[device], asks.top[device]
        low = min(low, (wish - top) / give - level[device])
        high = max(high, wish / give - level[device])
    for _ in range(100):
        middle = 0.5 * (low + high)
        total = 0.0
        for device in range(len(level)):
            asked = asks.wish[device] - asks.give[device] * (level[device] + middle)
            total += min(max(asked, 0.0), asks.top[device])
        if total > target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@njit(cache=True, nogil=True)
def _curvature(
    nest: Any, rows: Any, holder: Any, by_holder: Any, index: Any, size: int, asked: Any, asks: Any
) -> Any:
    """What the rows give way when their prices rise, the levels following: minus the Hessian.

    Devices under one level share it: what one row frees there the others take up. asked: what
    devices want at the prices, before it is clipped; corners count as free to move.
    """
    curve = np.zeros((size, size))
    shared = np.zeros(size)
    weight = 0.0
    for turn in range(len(by_holder)):
        place = by_holder[turn]
        for device in range(nest.own[place], nest.own[place + 1]):
            if 0.0 <= asked[device] <= asks.top[device]:
                weight += asks.give[device]
                _give_way(rows, device, asks.give[device], index, curve, shared)
        if turn + 1 == len(by_holder) or holder[by_holder[turn + 1]] != holder[place]:
            if holder[place] >= 0 and weight > 0:
                _take_up(curve, shared, weight)
            shared[:] = 0.0
            weight = 0.0
    return curve


@njit(cache=True, nogil=True)
def _give_way(rows: Any, device: int, give: float, index: Any, curve: Any, shared: Any) -> None:
    for entry in range(rows.of[device], rows.of[device + 1]):
        first = index[rows.row[entry]]
        if first >= 0:
            shared[first] += give
            for other in range(rows.of[device], rows.of[device + 1]):
                second = index[rows.row[other]]
                if second >= 0:
                    curve[first, second] += give


@njit(cache=True, nogil=True)
def _take_up(curve: Any, shared: Any, weight: float) -> None:
    touched = np.flatnonzero(shared)
    for first in touched:
        for second in touched:
            curve[first, second] -= shared[first] * shared[second] / weight
