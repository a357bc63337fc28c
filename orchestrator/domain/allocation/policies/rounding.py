"""From prices to one frontier point a device, and what to do with the watts left over.

At the prices every device stands on a corner of its hull; what is left of a limit's room is less
than one more segment, and of an outer limit's what the inner ones did not use. Limit by limit, from
the innermost outwards, the steps worth most are taken while there is room for many, then the best
upgrade that fits until none does; any point may be used for that, not only corners of hulls.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.steps import charge, least_over

MAX_ROUNDS: Final = 64
MANY: Final = 4


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
    could = np.empty(len(point), np.int64)
    for held_by in range(places - 1, -1, -1):
        if head[held_by] < 0:
            continue
        count = _who_could(left, head[held_by], following, curves, point, could)
        if count > 0 and _step_by_worth(left, held_by, could[:count], curves, value, point):
            count = _who_could(left, head[held_by], following, curves, point, could)
        for _ in range(MAX_ROUNDS):
            device, better = _best(left, could[:count], curves, value, point)
            if device < 0:
                break
            charge(left, device, curves.watts[better] - curves.watts[point[device]])
            point[device] = better


@njit(cache=True, nogil=True)
def _who_could(left: Any, group: int, following: Any, curves: Any, point: Any, could: Any) -> int:
    """Write the devices of a group whose next point fits under the limits; their number."""
    count, place = 0, group
    while place >= 0:
        room = left.place_w[place]
        around = left.nest.parent[place]
        while around >= 0:
            room = min(room, left.place_w[around])
            around = left.nest.parent[around]
        for device in range(left.nest.own[place], left.nest.own[place + 1]):
            now = point[device]
            if now >= 0 and now + 1 < curves.start[device + 1]:
                could[count] = device
                count += curves.watts[now + 1] - curves.watts[now] <= room
        place = following[place]
    return count


@njit(cache=True, nogil=True)
def _step_by_worth(
    left: Any, held_by: int, could: Any, curves: Any, value: Any, point: Any
) -> bool:
    """Where room is left for many steps, take those worth most a watt; whether any was."""
    now = point[could]
    step = curves.watts[now + 1] - curves.watts[now]
    many = int(min(left.place_w[held_by] / step.mean(), len(could)))
    if many < MANY:
        return False
    worth = (value[now] - value[now + 1]) / step
    last = np.partition(worth, many - 1)[many - 1]
    chosen = could[worth <= last]
    for device in chosen[np.argsort(worth[worth <= last])]:
        more = curves.watts[point[device] + 1] - curves.watts[point[device]]
        if more <= least_over(left, device):
            charge(left, device, more)
            point[device] += 1
    return True


@njit(cache=True, nogil=True)
def _best(left: Any, could: Any, curves: Any, value: Any, point: Any) -> Any:
    """(device, point) of the upgrade that gains most within all rooms over it, or -1."""
    best, gain = (-1, -1), 0.0
    for device in could:
        now, end = point[device], curves.start[device + 1]
        if now + 1 >= end:
            continue
        free = least_over(left, device)
        better = now + 1
        while better < end and curves.watts[better] - curves.watts[now] <= free:
            if value[better] - value[now] > gain:
                best, gain = (device, better), value[better] - value[now]
            better += 1
    return best
