"""The smallest reserves that a split of watts can do with, where they depend on the split itself.

Every node that gets more adds less when it falls silent, so the reserves that a split needs are
known only after it. They are searched for from both sides; what is returned always keeps them.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

ROUNDS = 10
CLOSE_W = 1.0
T = TypeVar("T")


def split_with_reserves(
    solve: Callable[[Mapping[str, float]], T],
    needed: Callable[[T], Mapping[str, float]],
    short: Callable[[T], frozenset[str]],
    largest_w: Mapping[str, float],
) -> T:
    """The best split found among those that keep their own reserves.

    solve: splits with so many watts kept free by limit. needed: the reserves that a split needs.
    short: the limits where a split and what it needs do not fit. largest_w: enough for any split.
    """
    best = solve(largest_w)
    low_w = dict.fromkeys(largest_w, 0.0)
    high_w = {limit_id: min(largest_w[limit_id], w) for limit_id, w in needed(best).items()}
    for _ in range(ROUNDS):
        if all(high_w[limit_id] - low_w[limit_id] <= CLOSE_W for limit_id in high_w):
            break
        middle_w = {limit_id: (low_w[limit_id] + high_w[limit_id]) / 2 for limit_id in high_w}
        found = solve(middle_w)
        failed, needs_w = short(found), needed(found)
        if not failed:
            best = found
        for limit_id, tried_w in middle_w.items():
            if limit_id in failed:
                low_w[limit_id] = tried_w
            else:
                high_w[limit_id] = min(tried_w, needs_w[limit_id])
    return best
