"""Small reserves that a split of watts can do with, where they depend on the split itself.

Every node that gets more adds less when it falls silent, so the reserves that a split needs are
known only after it. Where many nodes share a limit, a few rounds reach the reserves that a split
needs exactly. Where nearly all of them may fall silent, what is kept free hardly matters, and half
as much is tried as long as that does too. What is returned always keeps its own reserves.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

ROUNDS = 8
CLOSE_W = 1.0
T = TypeVar("T")
Watts = Mapping[str, float]


def split_with_reserves(
    solve: Callable[[Watts], T],
    needed: Callable[[T], Watts],
    short: Callable[[T], frozenset[str]],
    largest_w: Watts,
) -> T:
    """The best split found among those that keep their own reserves.

    solve: splits with so many watts kept free by limit. needed: the reserves that a split needs.
    short: the limits where a split and what it needs do not fit. largest_w: enough for any split.
    """
    best = solve(largest_w)
    kept_w = _smaller(largest_w, needed(best))
    for _ in range(ROUNDS):
        found = solve(kept_w)
        if short(found):
            break
        best, before_w = found, kept_w
        kept_w = _smaller(kept_w, needed(best))
        if all(before_w[limit_id] - kept_w[limit_id] <= CLOSE_W for limit_id in kept_w):
            break
    return _halved(solve, needed, short, best, kept_w)


def _halved(
    solve: Callable[[Watts], T],
    needed: Callable[[T], Watts],
    short: Callable[[T], frozenset[str]],
    best: T,
    kept_w: Watts,
) -> T:
    """Try half of every reserve until that is too little."""
    halving = frozenset(kept_w)
    for _ in range(ROUNDS):
        halving = frozenset(limit_id for limit_id in halving if kept_w[limit_id] > CLOSE_W)
        if not halving:
            break
        tried_w = {name: w / 2 if name in halving else w for name, w in kept_w.items()}
        found = solve(tried_w)
        failed = short(found)
        if failed:
            halving = halving - failed if halving & failed else frozenset()
        else:
            best, kept_w = found, _smaller(tried_w, needed(found))
    return best


def _smaller(one_w: Watts, other_w: Watts) -> dict[str, float]:
    return {limit_id: min(watts, other_w[limit_id]) for limit_id, watts in one_w.items()}
