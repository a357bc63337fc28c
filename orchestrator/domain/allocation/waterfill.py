"""The policy `throughput`: service floors by tier, then every watt to whoever buys the most.

Each device's frontier is replaced by its concave hull, cut into segments of constant worth.
Sorted by what they are for (floors by tier and priority, then the rest by weighted tokens per
watt), the segments flow up the tree of limits; at every limit those that no longer fit fall out.
Where limits nest this is the greedy optimum of the linear relaxation; where they do not (A/B
feeds) the flow is repeated until no watt moves, and the certificate states what may be missing.
"""

from bisect import bisect_right
from typing import Final

import numpy as np

from orchestrator.domain.allocation.certificate import certify
from orchestrator.domain.allocation.hulls import SLIVER_W, Hulls, build_hulls
from orchestrator.domain.allocation.problem import ALLOWED_LOSS, Device, Problem, Result
from orchestrator.domain.allocation.split import Split
from orchestrator.domain.allocation.tree import Floats, Ints, Tree, build_tree, sum_by
from orchestrator.domain.allocation.words import binding_words, unmet_words

MAX_PASSES: Final = 50


def allocate(problem: Problem) -> Result:
    """Watts for every device; see Result for units. Devices never get less than their min_w.

    Deterministic, whatever the order of devices and limits: ties go to the smaller id.
    """
    split = _solve(problem)
    certificate = certify(split)
    ids = [device.id for device in split.devices]
    draw_w = split.draw_w().tolist()
    points = [_point_at(*pair) for pair in zip(split.devices, draw_w, strict=True)]
    limit_ids = [limit.id for limit in split.limits]
    return Result(
        allocations=dict(zip(ids, draw_w, strict=True)),
        points=dict(zip(ids, points, strict=True)),
        objective=certificate.objective,
        upper_bound=certificate.upper_bound,
        gap=certificate.gap,
        prices=dict(zip(limit_ids, certificate.prices.tolist(), strict=True)),
        binding=dict(zip(ids, binding_words(split, certificate), strict=True)),
        unmet=tuple(unmet_words(split, certificate)),
    )


def _solve(problem: Problem) -> Split:
    limits = tuple(sorted(problem.limits, key=lambda limit: limit.id))
    devices = tuple(sorted(problem.devices, key=lambda device: device.id))
    tree, hulls = build_tree(limits, devices), build_hulls(devices)
    min_w = np.array([device.min_w for device in devices], dtype=np.float64)
    weight = np.array([device.weight for device in devices], dtype=np.float64)
    order = _order(devices, hulls, weight)
    device = np.concatenate([hulls.below.device, hulls.above.device])[order]
    width_w = np.concatenate([hulls.below.width_w, hulls.above.width_w])[order]
    taken_w = np.empty_like(width_w)
    taken_w[order] = _pour(tree, device, width_w, min_w)
    below_w, above_w = np.split(taken_w, [len(hulls.below.device)])
    return Split(limits, devices, tree, hulls, min_w, weight, below_w, above_w)


def _order(devices: tuple[Device, ...], hulls: Hulls, weight: Floats) -> Ints:
    """Floors by tier and falling priority, then the rest; within each the best watts first."""
    below, above = hulls.below, hulls.above
    device = np.concatenate([below.device, above.device])
    slope = np.concatenate([below.slope, above.slope]) * weight[device]
    tier = np.array([item.tier for item in devices], dtype=np.int64)[below.device]
    priority = np.array([item.priority for item in devices], dtype=np.int64)[below.device]
    rest = np.zeros(len(above.device), dtype=np.int64)
    return np.lexsort(
        (
            device,
            -slope,
            np.concatenate([-priority, rest]),
            np.concatenate([tier, rest + len(ALLOWED_LOSS)]),
        )
    )


def _pour(tree: Tree, device: Ints, width_w: Floats, min_w: Floats) -> Floats:
    """Watts taken of each segment, given in the order in which they may take."""
    taken_w = np.zeros_like(width_w)
    for _ in range(1 if tree.nested else MAX_PASSES):
        draw_w = min_w + sum_by(device, taken_w, len(min_w))
        room_w = tree.room_w(draw_w)
        flow_w = width_w - taken_w
        for layer in tree.layers:
            flow_w = _sieve(flow_w, layer[device], room_w)
        taken_w += flow_w
        if flow_w.sum() <= SLIVER_W:
            break
    return taken_w


def _sieve(flow_w: Floats, limit: Ints, room_w: Floats) -> Floats:
    """Let the first segments through at each limit until its room is used; limit -1 has no end."""
    order = np.argsort(limit, kind="stable")
    group, width_w = limit[order], flow_w[order]
    start = np.cumsum(width_w) - width_w
    before = start - start[np.searchsorted(group, group)]
    kept_w = np.empty_like(flow_w)
    kept_w[order] = np.clip(np.append(room_w, np.inf)[group] - before, 0.0, width_w)
    return kept_w


def _point_at(device: Device, draw_w: float) -> int | None:
    at = bisect_right(device.points, draw_w + SLIVER_W, key=lambda point: point[0]) - 1
    return at if at >= 0 else None
