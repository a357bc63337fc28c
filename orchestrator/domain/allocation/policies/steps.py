"""Steps from point to point that fit whole, under limits and rows of any shape."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.instance import Nest, Rows
from orchestrator.domain.allocation.tree import Floats, Ints


class Room(NamedTuple):
    """What is left: watts by place of the nest and by row. at: the place of every device.

    Kernels change the watts in place.
    """

    nest: Nest
    rows: Rows
    at: Ints
    place_w: Floats
    row_w: Floats


def room(nest: Nest, rows: Rows, watts: Floats) -> Room:
    """What the devices leave when they draw watts; at least 0."""
    return Room(
        nest,
        rows,
        np.repeat(np.arange(len(nest.parent)), np.diff(nest.own)),
        np.maximum(nest.room_w - nest.sums(watts), 0.0),
        np.maximum(rows.most_w - rows.sums(watts), 0.0),
    )


@njit(cache=True, nogil=True)
def least_over(left: Any, device: int) -> float:
    """The least room of all limits and rows over a device."""
    least = np.inf
    place = left.at[device]
    while place >= 0:
        least = min(least, left.place_w[place])
        place = left.nest.parent[place]
    for entry in range(left.rows.of[device], left.rows.of[device + 1]):
        least = min(least, left.row_w[left.rows.row[entry]])
    return least


@njit(cache=True, nogil=True)
def charge(left: Any, device: int, watts: float) -> None:
    """Take watts from the room of all limits and rows over a device."""
    place = left.at[device]
    while place >= 0:
        left.place_w[place] -= watts
        place = left.nest.parent[place]
    for entry in range(left.rows.of[device], left.rows.of[device + 1]):
        left.row_w[left.rows.row[entry]] -= watts


@njit(cache=True, nogil=True)
def admit_in_order(left: Any, order: Any, more: Any) -> Any:
    """Who gets all of what it lacks, given in the order in which they may take."""
    admitted = np.zeros(len(order), np.bool_)
    for device in order:
        if more[device] <= 0.0 or more[device] <= least_over(left, device):
            admitted[device] = True
            charge(left, device, more[device])
    return admitted


@njit(cache=True, nogil=True)
def take_in_order(left: Any, hull: Any, order: Any, owner: Any, point: Any) -> None:
    """Give segments to their devices, each after its earlier ones, while they fit whole."""
    following = hull.start[:-1].copy()
    for segment in order:
        device, watts = owner[segment], hull.width_w[segment]
        if following[device] == segment and watts <= least_over(left, device):
            charge(left, device, watts)
            following[device] += 1
            point[device] = hull.corner[segment + 1 + device]


@njit(cache=True, nogil=True)
def best_in_order(left: Any, curves: Any, order: Any, wanted: Any, point: Any) -> None:
    """Move devices to the best point that fits, at most the one wanted."""
    for device in order:
        now = point[device]
        if now < 0:
            continue
        free = least_over(left, device)
        better = wanted[device]
        while better > now and curves.watts[better] - curves.watts[now] > free:
            better -= 1
        charge(left, device, curves.watts[better] - curves.watts[now])
        point[device] = better


@njit(cache=True, nogil=True)
def lift_rows(left: Any, curves: Any, value: Any, short: Any, point: Any) -> None:
    """Upgrade devices of rows that are short of their least, by what a watt buys; short falls."""
    for row in range(len(short)):
        while short[row] > 0.0:
            best = _best_of_row(left, curves, value, row, point)
            if best < 0:
                break
            more = curves.watts[point[best] + 1] - curves.watts[point[best]]
            charge(left, best, more)
            point[best] += 1
            for entry in range(left.rows.of[best], left.rows.of[best + 1]):
                short[left.rows.row[entry]] -= more


@njit(cache=True, nogil=True)
def _best_of_row(left: Any, curves: Any, value: Any, row: int, point: Any) -> int:
    best, worth = -1, -1.0
    for entry in range(left.rows.start[row], left.rows.start[row + 1]):
        device = left.rows.device[entry]
        now = point[device]
        if now < 0 or now + 1 >= curves.start[device + 1]:
            continue
        more = curves.watts[now + 1] - curves.watts[now]
        gain = (value[now + 1] - value[now]) / more
        if gain > worth and more <= least_over(left, device):
            best, worth = device, gain
    return best
