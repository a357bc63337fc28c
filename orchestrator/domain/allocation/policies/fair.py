"""The policy `fair`: the three phases of nvPAX (arXiv 2605.01837).

I: by falling priority, the least squares distance of the active devices to their requests,
everybody else as near to its minimum as tenants' minima allow. II: what is left, max-min, to the
active devices. III: the rest, max-min, to the idle ones. All amounts are watts above `base_w`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from orchestrator.domain.allocation.hulls import SLIVER_W
from orchestrator.domain.allocation.policies.crossing import Balance, Quadratic, balance
from orchestrator.domain.allocation.policies.filling import fill
from orchestrator.domain.allocation.policies.instance import Bools, Instance, Nest, Rows, among
from orchestrator.domain.allocation.policies.levels import Asks
from orchestrator.domain.allocation.policies.sums import least_around
from orchestrator.domain.allocation.tree import Floats, Ints

REST_GIVE: Final = 1e6
"""How much easier an idle device leaves its minimum, for a tenant, than an active its request."""


@dataclass(frozen=True, slots=True)
class FairSplit:
    """watts: by device. asked_w: after phase I. value, bound: of phase I, in W^2 (see Result).

    price_by_place: what one more watt at a limit takes off the objective, in W^2 a watt, by place
    of the nest and, in price_by_row, by row. holder: place that held a device's request, or -1.
    """

    watts: Floats
    asked_w: Floats
    value: float
    bound: float
    price_by_place: Floats
    price_by_row: Floats
    holder: Ints


@dataclass(slots=True)
class _Left:
    """What the limits and rows still have to give."""

    room_w: Floats
    least_w: Floats
    most_w: Floats


def split_fairly(instance: Instance, base_w: Floats, running: Bools) -> FairSplit:
    """Watts for every device. base_w: what each gets anyway; only running devices get more."""
    nest, rows = instance.nest, instance.rows
    left = _left(instance, base_w)
    top_w = np.where(running, instance.max_w - base_w, 0.0)
    active = running & instance.active
    phase_one, found = _requests(instance, base_w, top_w, active, left)
    extra = found
    for chosen in (active, running & ~instance.active):
        now = _left(instance, base_w + extra)
        extra = extra + _surplus(nest, rows, now, np.where(chosen, top_w - extra, 0.0))
    return replace(phase_one, watts=base_w + extra, asked_w=base_w + found)


def _left(instance: Instance, watts: Floats) -> _Left:
    row_w = instance.rows.sums(watts)
    return _Left(
        np.maximum(instance.nest.room_w - instance.nest.sums(watts), 0.0),
        np.maximum(instance.rows.least_w - row_w, 0.0),
        np.maximum(instance.rows.most_w - row_w, 0.0),
    )


def _requests(
    instance: Instance, base_w: Floats, top_w: Floats, active: Bools, left: _Left
) -> tuple[FairSplit, Floats]:
    """Phase I, one priority after the other; those that were served before stay as they are."""
    wish_w = np.clip(instance.request_w - base_w, 0.0, top_w)
    taken_w = np.zeros(len(top_w))
    served = np.zeros(len(top_w), dtype=np.bool_)
    total = _nothing(instance)
    for priority in _priorities(instance.priority[active]):
        asking = active & (instance.priority == priority)
        problem, device = _level(instance, left, asking, asking, wish_w, top_w)
        solved = balance(replace(problem, least_w=np.zeros(len(problem.least_w))))
        if not _rest_can_follow(instance, left, problem, solved, (top_w > 0) & ~served & ~asking):
            problem, device = _level(instance, left, ~served, asking, wish_w, top_w)
            solved = _without_rest(balance(problem), problem, asking[device])
        taken_w[device] = np.where(asking[device], solved.x_w, 0.0)
        served |= asking
        left = _left(instance, base_w + taken_w)
        total = _added(total, solved, instance)
    if (left.least_w > 0).any():
        problem, device = _level(instance, left, ~served, ~served, 0.0 * wish_w, top_w)
        taken_w[device] = balance(problem).x_w
    return total, taken_w


def _without_rest(solved: Balance, problem: Quadratic, asks: Bools) -> Balance:
    """Objective and bound of those that ask alone; what the rest's pull may be, off the bound."""
    pull = np.where(asks, 0.0, 0.5 / problem.asks.give)
    return replace(
        solved,
        value=solved.value - float(pull @ solved.x_w**2),
        bound=solved.bound - float(pull @ problem.asks.top**2),
    )


def _rest_can_follow(
    instance: Instance, left: _Left, problem: Quadratic, solved: Balance, rest: Bools
) -> bool:
    """Whether the rest can meet the tenants' minima in what this priority leaves.

    It is only asked to in proportion to its ranges; False then means that nobody knows yet.
    """
    short_w = left.least_w - problem.rows.sums(solved.x_w)
    if not (short_w > 0).any():
        return True
    range_w = np.where(rest, instance.max_w - instance.min_w, 0.0)
    able_w = instance.rows.sums(range_w)
    if (short_w > able_w).any():
        return False
    share = np.maximum(short_w, 0.0) / np.maximum(able_w, SLIVER_W)
    needed_w = range_w * np.minimum(instance.rows.over(share), 1.0)
    left_w = left.room_w - problem.nest.sums(solved.x_w)
    row_left_w = left.most_w - problem.rows.sums(solved.x_w)
    fits = (instance.nest.sums(needed_w) <= left_w).all()
    return bool(fits and (instance.rows.sums(needed_w) <= row_left_w).all())


def _level(
    instance: Instance, left: _Left, moving: Bools, asking: Bools, wish_w: Floats, top_w: Floats
) -> tuple[Quadratic, Ints]:
    nest, rows, device = among(instance.nest, instance.rows, moving & (top_w > 0))
    asks = asking[device]
    return Quadratic(
        nest=nest,
        rows=rows,
        room_w=left.room_w,
        least_w=left.least_w,
        most_w=left.most_w,
        asks=Asks(
            wish=np.where(asks, wish_w[device], 0.0),
            give=np.where(asks, 1.0, REST_GIVE),
            top=top_w[device],
        ),
    ), device


def _surplus(nest: Nest, rows: Rows, left: _Left, most_w: Floats) -> Floats:
    """Only devices with room in every limit and row over them take part."""
    around_w = least_around(nest, rows, left.room_w, left.most_w)
    chosen = (most_w > 0) & (around_w > SLIVER_W)
    extra = np.zeros(len(most_w))
    if chosen.any():
        nest, rows, device = among(nest, rows, chosen)
        extra[device] = fill(nest, rows, left.room_w, left.most_w, most_w[device])
    return extra


def _priorities(priority: Ints) -> Ints:
    """The distinct priorities, the highest first."""
    low = int(priority.min(initial=0))
    if int(priority.max(initial=0)) - low > len(priority):
        return np.unique(priority)[::-1]
    return np.flatnonzero(np.bincount(priority - low))[::-1] + low


def _nothing(instance: Instance) -> FairSplit:
    empty = np.zeros(0)
    return FairSplit(
        watts=empty,
        asked_w=empty,
        value=0.0,
        bound=0.0,
        price_by_place=np.zeros(len(instance.nest.parent)),
        price_by_row=np.zeros(len(instance.rows.name)),
        holder=np.full(len(instance.min_w), -1, dtype=np.int64),
    )


def _added(total: FairSplit, solved: Balance, instance: Instance) -> FairSplit:
    """The sum so far; a limit's price is that of the highest priority that it held back."""
    parent = instance.nest.parent
    around = np.where(parent >= 0, solved.level[parent], 0.0)
    price = 2.0 * np.where(solved.holder >= 0, solved.level - around, 0.0)
    return replace(
        total,
        value=total.value + 2.0 * solved.value,
        bound=total.bound + 2.0 * solved.bound,
        price_by_place=np.where(total.price_by_place > 0, total.price_by_place, price),
        price_by_row=np.where(total.price_by_row != 0, total.price_by_row, 2.0 * solved.price),
    )
