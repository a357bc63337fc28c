"""Which devices lie below which limits, as arrays, and how watts flow through them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.domain.allocation.problem import Device, LimitRow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tree:
    """Limits in the order of their ids; parents and depths are by index, -1 above a root.

    pairs: device and limit index of every (device, limit above it).
    layers: from the deepest up, the limit above each device, -1 for none. Limits of one layer
        share no device. nested: one layer a depth, so that any two limits nest or are disjoint.
    """

    limit_w: Floats
    parent: Ints
    depth: Ints
    pairs: tuple[Ints, Ints]
    layers: tuple[Ints, ...]
    nested: bool

    def used_w(self, draw_w: Floats) -> Floats:
        """Watts below every limit when the devices draw draw_w."""
        device, limit = self.pairs
        return sum_by(limit, draw_w[device], len(self.limit_w))

    def room_w(self, draw_w: Floats) -> Floats:
        """Watts left at every limit, at least 0."""
        return np.maximum(self.limit_w - self.used_w(draw_w), 0.0)


def sum_by(index: Ints, amount: Floats, count: int) -> Floats:
    """Sums of the amounts that share an index, for indices 0 to count - 1."""
    return np.asarray(np.bincount(index, amount, minlength=count), dtype=np.float64)


def build_tree(limits: Sequence[LimitRow], devices: Sequence[Device]) -> Tree:
    """The tree of checked limits and devices, both in the order that indices shall have."""
    index = {limit.id: position for position, limit in enumerate(limits)}
    parent = np.array(
        [-1 if limit.parent is None else index[limit.parent] for limit in limits], dtype=np.int64
    )
    depth = _depths(parent)
    pairs = _pairs(devices, index, parent)
    deepest_first = range(int(depth.max(initial=-1)), -1, -1)
    by_depth = [_layers(pairs, depth == level, len(devices)) for level in deepest_first]
    return Tree(
        limit_w=np.array([limit.limit_w for limit in limits], dtype=np.float64),
        parent=parent,
        depth=depth,
        pairs=pairs,
        layers=tuple(layer for layers in by_depth for layer in layers),
        nested=all(len(layers) <= 1 for layers in by_depth),
    )


def _depths(parent: Ints) -> Ints:
    depth = np.zeros(len(parent), dtype=np.int64)
    above = parent.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return depth


def _pairs(devices: Sequence[Device], index: dict[str, int], parent: Ints) -> tuple[Ints, Ints]:
    counts = [len(device.limits) for device in devices]
    device = np.repeat(np.arange(len(devices)), counts)
    limit = np.array([index[name] for device in devices for name in device.limits], dtype=np.int64)
    found: list[Ints] = []
    while len(limit):
        found.append(device * len(parent) + limit)
        limit = parent[limit]
        device, limit = device[limit >= 0], limit[limit >= 0]
    keys = np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
    return keys // max(len(parent), 1), keys % max(len(parent), 1)


def _layers(pairs: tuple[Ints, Ints], here: NDArray[np.bool_], devices: int) -> list[Ints]:
    """Spread the limits of one depth over as few layers as first fit finds."""
    chosen = here[pairs[1]]
    device, limit = pairs[0][chosen], pairs[1][chosen]
    if len(np.unique(device)) == len(device):
        layer = np.full(devices, -1, dtype=np.int64)
        layer[device] = limit
        return [layer]
    order = np.argsort(limit, kind="stable")
    starts = np.flatnonzero(np.diff(limit[order], prepend=-1))
    layers: list[Ints] = []
    for start, below in zip(starts, np.split(device[order], starts[1:]), strict=True):
        free = [layer for layer in layers if (layer[below] < 0).all()]
        if not free:
            free = [np.full(devices, -1, dtype=np.int64)]
            layers += free
        free[0][below] = limit[order[start]]
    return layers
