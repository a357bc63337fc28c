"""Sums over limits and rows, and parts of a problem, in single passes over the devices."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def place_sums(nest: Any, amount: Any) -> Any:
    """The sum below every place of the nest of an amount by device."""
    total = np.zeros(len(nest.parent))
    for place in range(len(total) - 1, -1, -1):
        for device in range(nest.own[place], nest.own[place + 1]):
            total[place] += amount[device]
        if place > 0:
            total[nest.parent[place]] += total[place]
    return total


@njit(cache=True, nogil=True)
def row_sums(rows: Any, amount: Any) -> Any:
    """The sum of every row of an amount by device."""
    total = np.zeros(len(rows.start) - 1)
    for row in range(len(total)):
        for entry in range(rows.start[row], rows.start[row + 1]):
            total[row] += amount[rows.device[entry]]
    return total


@njit(cache=True, nogil=True)
def over(rows: Any, price: Any) -> Any:
    """By device, the sum of the prices of its rows."""
    total = np.zeros(len(rows.of) - 1)
    for device in range(len(total)):
        for entry in range(rows.of[device], rows.of[device + 1]):
            total[device] += price[rows.row[entry]]
    return total


@njit(cache=True, nogil=True)
def least_around(nest: Any, rows: Any, room: Any, row_room: Any) -> Any:
    """By device, the least room of all limits and rows over it."""
    path = room.copy()
    least = np.empty(nest.own[-1])
    for place in range(len(path)):
        if place > 0:
            path[place] = min(path[place], path[nest.parent[place]])
        for device in range(nest.own[place], nest.own[place + 1]):
            least[device] = path[place]
            for entry in range(rows.of[device], rows.of[device + 1]):
                least[device] = min(least[device], row_room[rows.row[entry]])
    return least


@njit(cache=True, nogil=True)
def narrow(own: Any, chosen: Any) -> Any:
    """(own, devices) of a nest over the chosen devices alone."""
    count = 0
    smaller = np.zeros(len(own), np.int64)
    device = np.empty(len(chosen), np.int64)
    for place in range(len(own) - 1):
        for index in range(own[place], own[place + 1]):
            device[count] = index
            count += chosen[index]
        smaller[place + 1] = count
    return smaller, device[:count]


@njit(cache=True, nogil=True)
def narrow_rows(rows: Any, chosen: Any, device: Any) -> Any:
    """(start, device, of, row) of rows over the chosen devices alone."""
    index = np.empty(len(chosen), np.int64)
    fewer_of = np.zeros(len(device) + 1, np.int64)
    for new, old in enumerate(device):
        index[old] = new
        fewer_of[new + 1] = fewer_of[new] + rows.of[old + 1] - rows.of[old]
    fewer_row = np.empty(fewer_of[-1], np.int64)
    for new, old in enumerate(device):
        kept = rows.row[rows.of[old] : rows.of[old + 1]]
        fewer_row[fewer_of[new] : fewer_of[new + 1]] = kept
    fewer_start = np.zeros(len(rows.start), np.int64)
    fewer_member = np.empty(fewer_of[-1], np.int64)
    count = 0
    for line in range(len(rows.start) - 1):
        for entry in range(rows.start[line], rows.start[line + 1]):
            if chosen[rows.device[entry]]:
                fewer_member[count] = index[rows.device[entry]]
                count += 1
        fewer_start[line + 1] = count
    return fewer_start, fewer_member, fewer_of, fewer_row
