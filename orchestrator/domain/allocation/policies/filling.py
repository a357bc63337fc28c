"""Max-min filling under any limits: all devices rise together until something holds them.

Where limits nest, `water_levels` gives the same in closed form; rows that cut across the nest
need the order of events: a device reaches its maximum, or a sum reaches its room and holds all
its devices. Each device is held once, so the work is devices times the sums over each of them.
"""

from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.instance import Nest, Rows
from orchestrator.domain.allocation.policies.levels import Asks, water_levels
from orchestrator.domain.allocation.tree import Floats


def fill(nest: Nest, rows: Rows, room_w: Floats, row_room_w: Floats, most_w: Floats) -> Floats:
    """The max-min split of the rooms: watts by device, at most most_w."""
    if len(rows.name) == 0:
        asks = Asks(np.zeros(len(most_w)), np.ones(len(most_w)), most_w)
        floor = -float(most_w.max(initial=0.0))
        filled = water_levels(nest, room_w, asks, floor, np.nan)[2]
        return np.asarray(filled, dtype=np.float64)
    rooms = np.concatenate([room_w, row_room_w])
    return np.asarray(_rise(nest, rows, rooms, most_w, np.argsort(most_w)), dtype=np.float64)


@njit(cache=True, nogil=True)
def _rise(nest: Any, rows: Any, room: Any, most: Any, by_most: Any) -> Any:
    """Sums are numbered by place of the nest, then by row; left counts their rising devices."""
    places = len(nest.parent)
    at = np.empty(len(most), np.int64)
    for place in range(places):
        at[nest.own[place] : nest.own[place + 1]] = place
    left = np.zeros(len(room), np.int64)
    left[:places] = nest.own[nest.last + 1] - nest.own[:-1]
    left[places:] = rows.start[1:] - rows.start[:-1]
    spare = room.copy()
    held = np.full(len(most), -1.0)
    coming = [(spare[k] / left[k], k) for k in range(len(room)) if left[k] > 0]
    heapify(coming)
    for device in by_most:
        while len(coming) > 0 and held[device] < 0 and coming[0][0] < most[device]:
            expected, full = heappop(coming)
            if left[full] == 0:
                continue
            level = max(spare[full], 0.0) / left[full]
            if level > expected:
                heappush(coming, (level, full))
            elif full < places:
                for other in range(nest.own[full], nest.own[nest.last[full] + 1]):
                    _hold(nest, rows, other, level, at, spare, left, held)
            else:
                for entry in range(rows.start[full - places], rows.start[full - places + 1]):
                    _hold(nest, rows, rows.device[entry], level, at, spare, left, held)
        _hold(nest, rows, device, most[device], at, spare, left, held)
    return held


@njit(cache=True, nogil=True)
def _hold(
    nest: Any, rows: Any, device: int, level: float, at: Any, spare: Any, left: Any, held: Any
) -> None:
    if held[device] >= 0:
        return
    held[device] = level
    place, places = at[device], len(nest.parent)
    while place >= 0:
        spare[place] -= level
        left[place] -= 1
        place = nest.parent[place]
    for entry in range(rows.of[device], rows.of[device + 1]):
        spare[places + rows.row[entry]] -= level
        left[places + rows.row[entry]] -= 1
