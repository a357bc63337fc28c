"""What is done without a solver: equal shares, proportional cuts, and greedy from the top down.

None of them knows tenants' minima; what exceeds a tenant's maximum is cut in proportion.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from orchestrator.domain.allocation.policies.instance import Instance
from orchestrator.domain.allocation.tree import Floats, Ints, sum_by


def static(instance: Instance) -> Floats:
    """Every device gets the same share of the tightest limit above it."""
    nest = instance.nest
    share = nest.room_w / np.maximum(nest.sums(np.ones(len(instance.min_w))), 1.0)
    around = _least_on_path(nest.parent, share)
    return _cut(instance, np.clip(around[_place(instance)], instance.min_w, instance.max_w))


def proportional(instance: Instance) -> Floats:
    """Every request is cut as much as the tightest limit above it needs."""
    nest, wish = instance.nest, _wish(instance)
    room = np.maximum(nest.room_w - nest.sums(instance.min_w), 0.0)
    asked = nest.sums(wish)
    share = np.ones(len(room))
    np.divide(room, asked, out=share, where=asked > room)
    cut = _least_on_path(nest.parent, share)[_place(instance)]
    return _cut(instance, instance.min_w + wish * cut)


def greedy(instance: Instance) -> Floats:
    """From the top down, each limit divides what it got in proportion to what is asked below.

    What is asked of a limit is what its children ask, at most its own room.
    """
    nest, wish = instance.nest, _wish(instance)
    room = np.maximum(nest.room_w - nest.sums(instance.min_w), 0.0)
    own = sum_by(_place(instance), wish, len(room))
    asked = _asked(nest.parent, room, own)
    got = np.minimum(asked, room)
    share = np.zeros(len(room))
    for place in range(len(room)):
        if place > 0:
            got[place] *= share[nest.parent[place]]
        share[place] = got[place] / asked[place] if asked[place] > 0 else 0.0
    return _cut(instance, instance.min_w + wish * share[_place(instance)])


METHODS: Final[dict[str, Callable[[Instance], Floats]]] = {
    "recursive greedy": greedy,
    "proportional": proportional,
    "static": static,
}


def _wish(instance: Instance) -> Floats:
    return np.where(instance.active, instance.request_w - instance.min_w, 0.0)


def _place(instance: Instance) -> Ints:
    nest = instance.nest
    return np.repeat(np.arange(len(nest.parent)), np.diff(nest.own))


def _least_on_path(parent: Ints, value: Floats) -> Floats:
    least = value.copy()
    for place in range(1, len(least)):
        least[place] = min(least[place], least[parent[place]])
    return least


def _asked(parent: Ints, room: Floats, own: Floats) -> Floats:
    asked = own.copy()
    for place in range(len(asked) - 1, 0, -1):
        asked[parent[place]] += min(asked[place], room[place])
    return asked


def _cut(instance: Instance, watts: Floats) -> Floats:
    rows = instance.rows
    if len(rows.name) == 0:
        return watts
    least = rows.sums(instance.min_w)
    above = np.maximum(rows.sums(watts) - least, 1e-9)
    share = np.clip((rows.most_w - least) / above, 0.0, 1.0)
    worst = np.ones(len(watts))
    np.minimum.at(worst, rows.device, np.repeat(share, np.diff(rows.start)))
    return instance.min_w + (watts - instance.min_w) * worst
