"""Finding the limits that nest, and the order of devices in which each of them is a range."""

from typing import Any

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.instance import Nest, Rows
from orchestrator.domain.allocation.tree import Floats, Ints


def members(parent: Ints, start: Ints, lowest: Ints) -> tuple[Ints, Ints]:
    """(starts, devices) of every limit, from the lowest limits of each device.

    start, lowest: device i hangs on the limits lowest[start[i]:start[i + 1]]. A limit that a
    device reaches twice counts it once.
    """
    count = _count(parent, start, lowest)
    starts = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return starts, _members(parent, start, lowest, starts)


def nest(
    parent: Ints, starts: Ints, below: Ints, devices: int, limit_w: Floats, budget_w: float
) -> tuple[Nest, Ints, Ints]:
    """The nest, the order of devices in it, and the limits left over that do not nest.

    Larger limits come first; equal sets of devices nest in each other, the parent outside.
    """
    size = np.diff(starts)
    by_size = np.lexsort((np.arange(len(size)), _depths(parent), -size))
    around, lowest, nested = _choose(by_size[size[by_size] > 0], starts, below, devices)
    limit, above, last = _walk(around, nested)
    place = np.full(len(size) + 1, 0, dtype=np.int64)
    place[limit[1:]] = np.arange(1, len(limit))
    at = place[lowest]
    order = np.argsort(at, kind="stable")
    own = np.searchsorted(at[order], np.arange(len(limit) + 1))
    room_w = np.concatenate([[budget_w], limit_w[limit[1:]]])
    found = Nest(above, last, own.astype(np.int64), room_w, limit)
    return found, order, np.flatnonzero((size > 0) & ~nested)


def rows(
    start: Ints, device: Ints, devices: int, least_w: Floats, most_w: Floats, name: Ints
) -> Rows:
    """Rows with their inverse, from the devices of each row."""
    row = np.repeat(np.arange(len(start) - 1), np.diff(start))
    by_device = np.argsort(device, kind="stable")
    of = np.searchsorted(device[by_device], np.arange(devices + 1)).astype(np.int64)
    return Rows(start, device, of, row[by_device], least_w, most_w, name)


def _depths(parent: Ints) -> Ints:
    depth = np.zeros(len(parent), dtype=np.int64)
    above = parent.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return depth


@njit(cache=True, nogil=True)
def _count(parent: Any, start: Any, lowest: Any) -> Any:
    seen = np.full(len(parent), -1, np.int64)
    count = np.zeros(len(parent), np.int64)
    for device in range(len(start) - 1):
        for entry in range(start[device], start[device + 1]):
            limit = lowest[entry]
            while limit >= 0 and seen[limit] != device:
                seen[limit] = device
                count[limit] += 1
                limit = parent[limit]
    return count


@njit(cache=True, nogil=True)
def _members(parent: Any, start: Any, lowest: Any, starts: Any) -> Any:
    seen = np.full(len(parent), -1, np.int64)
    found = np.empty(starts[-1], np.int64)
    free = starts[:-1].copy()
    for device in range(len(start) - 1):
        for entry in range(start[device], start[device + 1]):
            limit = lowest[entry]
            while limit >= 0 and seen[limit] != device:
                seen[limit] = device
                found[free[limit]] = device
                free[limit] += 1
                limit = parent[limit]
    return found


@njit(cache=True, nogil=True)
def _choose(by_size: Any, starts: Any, below: Any, devices: Any) -> Any:
    """Keep a limit if its devices all lie in one limit that was kept so far."""
    around = np.full(len(starts) - 1, -1, np.int64)
    nested = np.zeros(len(starts) - 1, np.bool_)
    lowest = np.full(devices, -1, np.int64)
    for limit in by_size:
        inside = below[starts[limit] : starts[limit + 1]]
        around[limit] = lowest[inside[0]]
        nested[limit] = True
        for device in inside:
            if lowest[device] != around[limit]:
                nested[limit] = False
                break
        if nested[limit]:
            for device in inside:
                lowest[device] = limit
    return around, lowest, nested


@njit(cache=True, nogil=True)
def _walk(around: Any, nested: Any) -> Any:
    """Limits in pre-order after the budget; siblings in the order of their indices."""
    count = len(around)
    first = np.full(count + 1, -1, np.int64)  # of the budget at the end
    following = np.full(count, -1, np.int64)
    for limit in range(count - 1, -1, -1):
        if nested[limit]:
            following[limit] = first[around[limit]]
            first[around[limit]] = limit
    total = 1 + nested.sum()
    limits = np.full(total, -1, np.int64)
    parent = np.full(total, -1, np.int64)
    last = np.zeros(total, np.int64)
    place, filled = 0, 1
    waiting = first.copy()
    while True:
        child = waiting[limits[place]]
        if child < 0:
            last[place] = filled - 1
            if place == 0:
                return limits, parent, last
            place = parent[place]
        else:
            waiting[limits[place]] = following[child]
            limits[filled] = child
            parent[filled] = place
            place = filled
            filled += 1
