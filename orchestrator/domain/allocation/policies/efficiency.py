"""The policy `efficiency`: least power that meets every target, one frontier point a device."""

from typing import Any

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.admission import admit, in_order
from orchestrator.domain.allocation.policies.instance import Bools, Instance
from orchestrator.domain.allocation.policies.steps import best_in_order, lift_rows, room
from orchestrator.domain.allocation.tree import Floats, Ints


def cheapest_for_target(instance: Instance) -> Ints:
    """The first point of each device that meets its target, else its last; -1 without points."""
    target = np.where(np.isnan(instance.target_tok_s), 0.0, instance.target_tok_s)
    return np.asarray(_first_at(instance.curves, target), dtype=np.int64)


def split_for_targets(instance: Instance, first: Ints, base_w: Floats) -> tuple[Ints, Bools]:
    """Points, and who was let in to the point that it wants.

    Those who are not get the best point that the others leave, in the same order. Tenants that
    are short of their minimum then get the upgrades that buy most.
    """
    nest, rows, curves = instance.nest, instance.rows, instance.curves
    wanted = np.where(first >= 0, cheapest_for_target(instance), -1)
    met = admit(instance, base_w, watts_of(instance, wanted, base_w))
    point = np.where(met, wanted, first)
    left = room(nest, rows, watts_of(instance, point, base_w))
    if not met.all():
        order = in_order(instance)
        best_in_order(left, curves, order[~met[order]], wanted, point)
    short = rows.least_w - rows.sums(watts_of(instance, point, base_w))
    lift_rows(left, curves, curves.tok_s, short, point)
    return point, met


def watts_of(instance: Instance, point: Ints, base_w: Floats) -> Floats:
    """The watts of every device's point, or of its base where it has none."""
    return np.where(point >= 0, np.append(instance.curves.watts, 0.0)[point], base_w)


@njit(cache=True, nogil=True)
def _first_at(curves: Any, target: Any) -> Any:
    found = np.full(len(target), -1, np.int64)
    for device in range(len(target)):
        for point in range(curves.start[device], curves.start[device + 1]):
            found[device] = point
            if curves.tok_s[point] >= target[device] * (1 - 1e-12):
                break
    return found
