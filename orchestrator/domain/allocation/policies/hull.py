"""Upper concave hulls of all frontiers, cut into segments of constant worth."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.instance import Bools, Curves
from orchestrator.domain.allocation.tree import Floats, Ints


class Hull(NamedTuple):
    """Segments start[i] to start[i + 1] of device i, from its cheapest point upwards.

    slope: weighted tok/s a watt, falling within a device. width_w: watts. corner: the point of
    Curves that a device stands on after k of its segments is corner[start[i] + i + k], -1 for a
    device without points.
    """

    start: Ints
    slope: Floats
    width_w: Floats
    corner: Ints


def build_hull(curves: Curves, weight: Floats, running: Bools) -> Hull:
    """Hulls of the running devices; the others have none."""
    return Hull(*_hulls(curves, weight, running))


@njit(cache=True, nogil=True)
def _hulls(curves: Any, weight: Any, running: Any) -> Any:
    devices, watts, tok_s = len(weight), curves.watts, curves.tok_s
    start = np.zeros(devices + 1, np.int64)
    slope, width = np.empty(len(watts)), np.empty(len(watts))
    corner = np.empty(len(watts) + devices, np.int64)
    used = 0
    for device in range(devices):
        line = corner[used + device :]
        line[0] = -1
        top = _climb(curves, device, line) if running[device] else 0
        for step in range(top):
            left, right = line[step], line[step + 1]
            width[used] = watts[right] - watts[left]
            slope[used] = weight[device] * (tok_s[right] - tok_s[left]) / width[used]
            used += 1
        start[device + 1] = used
    return start, slope[:used].copy(), width[:used].copy(), corner[: used + devices].copy()


@njit(cache=True, nogil=True)
def _climb(curves: Any, device: int, line: Any) -> int:
    """Write the corners of a device's hull to line; the place of the last, 0 without points."""
    top = -1
    for point in range(curves.start[device], curves.start[device + 1]):
        while top > 0 and _under(curves, line[top - 1], line[top], point):
            top -= 1
        top += 1
        line[top] = point
    return max(top, 0)


@njit(cache=True, nogil=True)
def _under(curves: Any, left: int, middle: int, right: int) -> bool:
    """Whether the middle point lies on or under the line between the others."""
    watts, tok_s = curves.watts, curves.tok_s
    rise = (tok_s[middle] - tok_s[left]) * (watts[right] - watts[left])
    return bool(rise <= (tok_s[right] - tok_s[left]) * (watts[middle] - watts[left]))
