"""Prices of limits that nest: at which worth of a watt the segments below fit into each limit.

A device takes the segments that are worth more than the highest price around it. From the
outermost limit inwards, a limit whose devices take more than its room at the price around it
gets a price of its own: a weighted quantile of the slopes below, found by shrinking a bracket.
A limit inside that is over its room counts as its room.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.levels import REASSOCIATE
from orchestrator.domain.allocation.tree import Floats, Ints


class Segments(NamedTuple):
    """The segments that a search still looks at, by place begin to end; base: already taken.

    keys: slopes. amount: watts. All are changed in place.
    """

    begin: Ints
    end: Ints
    keys: Floats
    amount: Floats
    base: Floats


@njit(cache=True, nogil=True)
def price_levels(nest: Any, room: Any, hull: Any, slope: Any) -> Any:
    """(price, holder) by place: the slopes above it fit; holder set the price, -1 for none.

    slope: those of the hull, less what else its watts cost.
    """
    places = len(nest.parent)
    price, holder = np.zeros(places), np.full(places, -1)
    total = np.empty(places)
    begin, end = hull.start[nest.own[:-1]].copy(), hull.start[nest.own[1:]].copy()
    segments = Segments(begin, end, slope.copy(), hull.width_w.copy(), np.zeros(places))
    _take(nest, room, segments, 0, 0.0, total)
    for place in range(places):
        if place > 0:
            price[place], holder[place] = price[nest.parent[place]], holder[nest.parent[place]]
        if total[place] > room[place] * (1 + 1e-12):
            holder[place] = place
            _restore(nest, hull, slope, place, segments)
            price[place] = _quantile(nest, room, segments, place, price[place], total)
    return price, holder


@njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _above(keys: Any, amount: Any, begin: int, end: int, price: float) -> float:
    total = 0.0
    for entry in range(begin, end):
        total += amount[entry] if keys[entry] > price else 0.0
    return total


@njit(cache=True, nogil=True)
def _take(nest: Any, room: Any, segments: Any, top: int, price: float, total: Any) -> None:
    """Fill total for a place and all inside: base and the segments above a price."""
    last = nest.last[top]
    total[top : last + 1] = segments.base[top : last + 1]
    for place in range(last, top - 1, -1):
        begin, end = segments.begin[place], segments.end[place]
        total[place] += _above(segments.keys, segments.amount, begin, end, price)
        if place > top:
            total[nest.parent[place]] += min(total[place], room[place])


@njit(cache=True, nogil=True)
def _restore(nest: Any, hull: Any, slope: Any, top: int, segments: Any) -> None:
    for place in range(top, nest.last[top] + 1):
        begin, end = hull.start[nest.own[place]], hull.start[nest.own[place + 1]]
        segments.begin[place], segments.end[place] = begin, end
        segments.base[place] = 0.0
        segments.keys[begin:end] = slope[begin:end]
        segments.amount[begin:end] = hull.width_w[begin:end]


@njit(cache=True, nogil=True)
def _quantile(nest: Any, room: Any, segments: Any, top: int, low: float, total: Any) -> float:
    """The lowest slope above which everything fits; totals are left at it."""
    over, under, high = total[top] - room[top], -room[top], np.inf
    least, most = _shrink(nest, segments, top, low, high)
    at = _guess(segments, segments.begin[top], segments.end[nest.last[top]], room[top])
    turn = 0
    while least < most:
        at = min(max(at, least), most)
        if at == most:
            at = 0.5 * (least + most)
            at = least if at >= most else at
        _take(nest, room, segments, top, at, total)
        if total[top] > room[top]:
            low, over = at, total[top] - room[top]
        else:
            high, under = at, total[top] - room[top]
        least, most = _shrink(nest, segments, top, low, high)
        turn += 1
        share = over / (over - under) if turn % 3 else 0.5
        at = least + (most - least) * share
    _take(nest, room, segments, top, least, total)
    return float(least)


@njit(cache=True, nogil=True)
def _shrink(nest: Any, segments: Any, top: int, low: float, high: float) -> Any:
    """Keep the segments in (low, high], count those above as taken; the range of what is kept."""
    least, most = np.inf, -np.inf
    for place in range(top, nest.last[top] + 1):
        free = segments.begin[place]
        for entry in range(free, segments.end[place]):
            key, watts = segments.keys[entry], segments.amount[entry]
            if key > high:
                segments.base[place] += watts
            elif key > low:
                segments.keys[free] = key
                segments.amount[free] = watts
                free += 1
                least, most = min(least, key), max(most, key)
        segments.end[place] = free
    return least, most


@njit(cache=True, nogil=True)
def _guess(segments: Any, begin: int, end: int, room: float) -> float:
    """About the quantile, from a few hundred segments."""
    stride = max((end - begin) // 512, 1)
    sample, watts = segments.keys[begin:end:stride], segments.amount[begin:end:stride]
    filled = 0.0
    for entry in np.argsort(-sample):
        filled += watts[entry] * stride
        if filled > room:
            return float(sample[entry])
    return 0.0
