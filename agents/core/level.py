"""Spreading one ceiling evenly over cards that each have a lowest and a highest cap."""

import math
from collections.abc import Sequence


def level(total_w: float, lows_w: Sequence[float], highs_w: Sequence[float]) -> list[float]:
    """Caps in watts, all equal where no bound of a card forbids it, with a sum of at most total_w.

    The lowest caps hold even where their sum is above total_w. Every cap is rounded down to a
    milliwatt, the unit of the driver.
    """
    caps = [max(low, high) for low, high in zip(lows_w, highs_w, strict=True)]
    if sum(caps) > total_w:
        caps = _spread(total_w, list(lows_w), caps)
    return [
        max(low, math.floor(cap * 1000.0 + 1e-6) / 1000.0)
        for cap, low in zip(caps, lows_w, strict=True)
    ]


def _spread(total_w: float, lows_w: list[float], highs_w: list[float]) -> list[float]:
    """Freeze, round by round, the cards whose bounds pull hardest, and share what is left."""
    caps = list(lows_w)
    free = set(range(len(caps)))
    while free:
        left_w = total_w - sum(cap for i, cap in enumerate(caps) if i not in free)
        share_w = left_w / len(free)
        for i in free:
            caps[i] = min(highs_w[i], max(lows_w[i], share_w))
        excess_w = sum(caps[i] - share_w for i in free)
        if excess_w == 0:
            break
        raised = {i for i in free if caps[i] > share_w}
        lowered = {i for i in free if caps[i] < share_w}
        free -= raised if excess_w > 0 else lowered
    return caps
