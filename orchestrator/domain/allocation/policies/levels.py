"""Water levels of limits that nest: the closed form of the separable quadratic programme.

Minimise sum (x - z)^2 / g with 0 <= x <= most and the sum of x below every limit at most its
room: x = clip(z - g * level, 0, most), where a device's level is the highest of the limits
around it. From the outermost limit inwards, a limit whose devices ask for more than its room at
the level around it gets a level of its own: the root of a piecewise linear function, by Newton's
method inside a bracket. A limit inside that is over its room counts as its room.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.domain.allocation.tree import Floats

REASSOCIATE = {"reassoc", "nsz", "contract"}
"""Sums may be taken in any order, so that they use vector instructions; nothing else changes."""
ROUNDS = 200


class Asks(NamedTuple):
    """What devices ask for at a level: clip(wish - give * level, 0, top), by device."""

    wish: Floats
    give: Floats
    top: Floats


@njit(cache=True, nogil=True)
def water_levels(nest: Any, room: Any, asks: Any, floor: float, hint: float) -> Any:
    """(level, holder, x): level and holder by place of the nest, x by device.

    floor: the level outside everything. hint: where to look first for the level of place 0; NaN
    for a sample's. holder: the place that set the level, -1 for none.
    """
    places, devices = len(nest.parent), len(asks.wish)
    level, holder = np.full(places, floor), np.full(places, -1)
    total, slope = np.empty(places), np.empty(places)
    top = floor
    for device in range(devices):
        top = max(top, asks.wish[device] / asks.give[device])
    _ask(nest, room, asks, 0, floor, total, slope)
    for place in range(places):
        if place > 0:
            level[place], holder[place] = level[nest.parent[place]], holder[nest.parent[place]]
        if total[place] > room[place] * (1 + 1e-15):
            first = hint if place == 0 else np.inf
            if np.isnan(first):
                first = _sampled(asks, room[0], floor, top)
            level[place] = _root(nest, room, asks, place, level[place], top, first, total, slope)
            holder[place] = place
    x = np.empty(devices)
    for place in range(places):
        for device in range(nest.own[place], nest.own[place + 1]):
            asked = asks.wish[device] - asks.give[device] * level[place]
            x[device] = min(max(asked, 0.0), asks.top[device])
    return level, holder, x


@njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _own(asks: Any, start: int, stop: int, level: float) -> Any:
    """What devices ask for at a level, and how fast that falls; corners count as falling."""
    total, slope = 0.0, 0.0
    for device in range(start, stop):
        asked = asks.wish[device] - asks.give[device] * level
        slope += asks.give[device] if 0.0 <= asked <= asks.top[device] else 0.0
        asked = asked if asked > 0.0 else 0.0  # noqa: FURB136 - vector code comes of this form
        total += asked if asked < asks.top[device] else asks.top[device]  # noqa: FURB136
    return total, slope


@njit(cache=True, nogil=True)
def _ask(nest: Any, room: Any, asks: Any, top: int, level: float, total: Any, slope: Any) -> None:
    """Fill total and slope for a place and all inside, those inside cut at their rooms."""
    last = nest.last[top]
    total[top : last + 1] = 0.0
    slope[top : last + 1] = 0.0
    for place in range(last, top - 1, -1):
        asked, fall = _own(asks, nest.own[place], nest.own[place + 1], level)
        total[place] += asked
        slope[place] += fall
        if place > top:
            around = nest.parent[place]
            if total[place] > room[place]:
                total[around] += room[place]
            else:
                total[around] += total[place]
                slope[around] += slope[place]


@njit(cache=True, nogil=True)
def _root(
    nest: Any, room: Any, asks: Any, place: int, low: float, high: float, first: float,
    total: Any, slope: Any,
) -> Any:  # fmt: skip
    """The lowest level at which a place keeps its room; total and slope are left at it.

    first: tried first if it lies between low, where the place is over its room, and high.
    """
    over, fall = total[place] - room[place], slope[place]
    short, rise = 0.0, 0.0
    known = False
    tiny = 1e-14 * (room[place] + over)
    at = low
    for turn in range(ROUNDS):
        at = low + over / fall if fall > 0 else high
        if turn == 0 and low < first < high:
            at = first
        if not low < at < high and known and rise > 0:
            at = high - short / rise
        if not low < at < high or turn % 8 == 7:
            at = 0.5 * (low + high) if known else high
        _ask(nest, room, asks, place, at, total, slope)
        excess = total[place] - room[place]
        if abs(excess) <= tiny or not (low < at < high or (at == high and not known)):
            break
        if excess > 0:
            low, over, fall = at, excess, slope[place]
        else:
            high, short, rise, known = at, -excess, slope[place], True
    return at


@njit(cache=True, nogil=True)
def _sampled(asks: Any, room: float, low: float, high: float) -> float:
    """About the level of the outermost limit: that of one device in 64, taken 64 times."""
    devices = len(asks.wish)
    if devices < 64 * 64:
        return np.inf
    wish, give, top = asks.wish[::64].copy(), asks.give[::64].copy(), asks.top[::64].copy()
    for _ in range(30):
        middle = 0.5 * (low + high)
        total = 0.0
        for device in range(len(wish)):
            total += min(max(wish[device] - give[device] * middle, 0.0), top[device])
        if total * devices > room * len(wish):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
