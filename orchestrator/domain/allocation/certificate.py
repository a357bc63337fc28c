"""How good a split is: a price for every limit, and the bound that follows from the prices.

By weak duality any prices that are not negative give an upper bound of the linear relaxation:
what the floors left of each limit's room at its price, plus what each segment is worth above the
prices of all limits over it. Where limits nest the prices chosen here make the bound tight.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.domain.allocation.hulls import SLIVER_W
from orchestrator.domain.allocation.split import Split
from orchestrator.domain.allocation.tree import Floats, Ints, Tree, sum_by


@dataclass(frozen=True, slots=True)
class Certificate:
    """Values in weighted tok/s; see Result for objective, upper_bound, gap and prices.

    held_at: by device, the deepest full limit above it, -1 if it wants no more watts.
    next_slope: by device, weighted tok/s of its next watt, 0 if it wants none.
    over: by device, the sum of the prices of all limits above it.
    """

    objective: float
    upper_bound: float
    gap: float
    prices: Floats
    held_at: Ints
    next_slope: Floats
    over: Floats


def certify(split: Split) -> Certificate:
    """Prices and bound of a split."""
    tree = split.tree
    next_slope = _next_slopes(split)
    room_w = tree.room_w(split.draw_w())
    held_at = np.where(next_slope > 0, _deepest_full(tree, room_w, len(split.devices)), -1)
    prices = _prices(tree, held_at, next_slope)
    device, limit = tree.pairs
    over = sum_by(device, prices[limit], len(split.devices))
    objective = float(split.weight @ split.tok_s())
    bound = max(_bound(split, prices, over), objective)
    gap = (bound - objective) / bound if bound > 0 else 0.0
    return Certificate(objective, bound, gap, prices, held_at, next_slope, over)


def _next_slopes(split: Split) -> Floats:
    slopes = np.zeros(len(split.devices))
    for segments, taken_w in (
        (split.hulls.below, split.below_w),
        (split.hulls.above, split.above_w),
    ):
        left = segments.width_w - taken_w > SLIVER_W
        device = segments.device[left]
        np.maximum.at(slopes, device, segments.slope[left] * split.weight[device])
    return slopes


def _deepest_full(tree: Tree, room_w: Floats, devices: int) -> Ints:
    full = np.append(room_w <= SLIVER_W + 1e-12 * tree.limit_w, False)
    held_at = np.full(devices, -1, dtype=np.int64)
    for layer in tree.layers:
        held_at = np.where((held_at < 0) & full[layer], layer, held_at)
    return held_at


def _prices(tree: Tree, held_at: Ints, next_slope: Floats) -> Floats:
    """Each full limit's price on top of its parents': the best use of one more watt there."""
    worth = np.zeros(len(tree.limit_w))
    held = held_at >= 0
    np.maximum.at(worth, held_at[held], next_slope[held])
    prices = np.zeros_like(worth)
    for limit in np.argsort(tree.depth, kind="stable"):
        above = worth[tree.parent[limit]] if tree.parent[limit] >= 0 else 0.0
        prices[limit] = max(worth[limit] - above, 0.0)
        worth[limit] = max(worth[limit], above)
    return prices


def _bound(split: Split, prices: Floats, over: Floats) -> float:
    """The most any split makes that gives each device at least what its floor got."""
    bound = float(split.weight @ split.floor_tok_s())
    bound += float(prices @ split.tree.room_w(split.floor_draw_w()))
    below, above = split.hulls.below, split.hulls.above
    for segments, free_w in ((below, below.width_w - split.below_w), (above, above.width_w)):
        worth = segments.slope * split.weight[segments.device] - over[segments.device]
        bound += float(np.maximum(worth, 0.0) @ free_w)
    return bound
