"""From prices to one frontier point a device, and what to do with the watts left over.

At the prices every device stands on a corner of its hull; what is left of a limit's room is less
than one more segment. Limit by limit, from the innermost outwards, the best upgrade that fits is
taken until none does; any point of a frontier may be used for that, not only corners of its hull.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.steps import charge, least_over

MAX_ROUNDS: Final = 64


@njit(cache=True, nogil=True)
def stand(nest: Any, hull: Any, slope: Any, price: Any) -> Any:
    """The point of every device after the segments worth more than the price of its limit."""
    point = np.empty(len(hull.start) - 1, np.int64)
    for place in range(len(price)):
        for device in range(nest.own[place], nest.own[place + 1]):
            step = hull.start[device]
            while step < hull.start[device + 1] and slope[step] > price[place]:
                step += 1
            point[device] = hull.corner[step + device]
    return point


@njit(cache=True, nogil=True)
def take_ties(left: Any, hull: Any, price: Any, point: Any) -> None:
    """Segments worth just the price, device by device, while they fit whole."""
    for device in range(len(point)):
        worth = price[left.at[device]]
        step = hull.start[device]
        while step < hull.start[device + 1] and hull.slope[step] > worth:
            step += 1
        while step < hull.start[device + 1] and hull.slope[step] >= worth:
            if hull.width_w[step] > least_over(left, device):
                break
            charge(left, device, hull.width_w[step])
            step += 1
            point[device] = hull.corner[step + device]


@njit(cache=True, nogil=True)
def use_left_over(left: Any, holder: Any, curves: Any, value: Any, point: Any) -> None:
    """Upgrade devices below limits that hold them; value: weighted tok/s of the points."""
    places = len(holder)
    head, following = np.full(places, -1), np.full(places, -1)
    for place in range(places - 1, -1, -1):
        if holder[place] >= 0:
            following[place] = head[holder[place]]
            head[holder[place]] = place
    for held_by in range(places - 1, -1, -1):
        if head[held_by] < 0:
            continue
        for _ in range(MAX_ROUNDS):
            device, better = _best(left, head[held_by], following, curves, value, point)
            if device < 0:
                break
            charge(left, device, curves.watts[better] - curves.watts[point[device]])
            point[device] = better


@njit(cache=True, nogil=True)
def _best(left: Any, group: int, following: Any, curves: Any, value: Any, point: Any) -> Any:
    """(device, point) of the upgrade that gains most within all rooms over it, or -1."""
    best, gain = (-1, -1), 0.0
    place = group
    while place >= 0:
        room = left.place_w[place]
        around = left.nest.parent[place]
        while around >= 0:
            room = min(room, left.place_w[around])
            around = left.nest.parent[around]
        for device in range(left.nest.own[place], left.nest.own[place + 1]):
            now, end = point[device], curves.start[device + 1]
            if now < 0 or now + 1 >= end or curves.watts[now + 1] - curves.watts[now] > room:
                continue
            free = least_over(left, device)
            better = now + 1
            while better < end and curves.watts[better] - curves.watts[now] <= free:
                if value[better] - value[now] > gain:
                    best, gain = (device, better), value[better] - value[now]
                better += 1
        place = following[place]
    return best
