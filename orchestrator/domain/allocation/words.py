"""Why each device got what it got, in the words of an operator."""

from collections.abc import Iterator

import numpy as np

from orchestrator.domain.allocation.certificate import Certificate
from orchestrator.domain.allocation.hulls import SLIVER_W
from orchestrator.domain.allocation.problem import ALLOWED_LOSS
from orchestrator.domain.allocation.split import Split


def binding_words(split: Split, certificate: Certificate) -> list[str]:
    """One reason a device, in their order."""
    draw_w, floor_draw_w = split.draw_w().tolist(), split.floor_draw_w().tolist()
    short = _short_of_floor(split)
    reasons = []
    for position, device in enumerate(split.devices):
        if certificate.next_slope[position] <= 0:
            at_most = draw_w[position] >= device.max_w - SLIVER_W
            reason = "its own maximum" if at_most else "more watts would buy it no tokens"
        elif short[position]:
            reason = f"below its {_floor(split, position)}: {_full(split, certificate, position)}"
        elif draw_w[position] > floor_draw_w[position] + SLIVER_W:
            reason = _cause(split, certificate, position)
        elif draw_w[position] > device.min_w + SLIVER_W:
            reason = f"its {_floor(split, position)}: {_cause(split, certificate, position)}"
        else:
            reason = f"its own minimum: {_cause(split, certificate, position)}"
        reasons.append(reason)
    return reasons


def unmet_words(split: Split, certificate: Certificate) -> Iterator[str]:
    """Limits that the minima alone exceed, then service floors that are not met."""
    yield from _exceeded(split)
    tok_s = split.tok_s()
    for position in np.flatnonzero(_short_of_floor(split)).tolist():
        yield (
            f"{split.devices[position].id} makes {tok_s[position]:,.0f} tok/s, less than its "
            f"{_floor(split, position)}: {_full(split, certificate, position)}"
        )


def watts(amount_w: float) -> str:
    """Watts for people: 850 W, 12.0 kW, 1.25 MW."""
    if amount_w < 1e3:
        return f"{amount_w:.0f} W"
    return f"{amount_w / 1e3:.1f} kW" if amount_w < 1e6 else f"{amount_w / 1e6:.2f} MW"


def _exceeded(split: Split) -> Iterator[str]:
    least_w = split.tree.used_w(split.min_w)
    over_w = least_w - split.tree.limit_w
    count = np.bincount(split.tree.pairs[1], minlength=len(split.limits))
    for position in np.flatnonzero(over_w > SLIVER_W).tolist():
        yield (
            f"{split.limits[position].id} is exceeded by {watts(over_w[position])}: at their "
            f"lowest caps the {count[position]} devices below it draw {watts(least_w[position])} "
            f"of {watts(split.tree.limit_w[position])}, and no cap can go lower; stop some of them"
        )


def _short_of_floor(split: Split) -> list[bool]:
    below = split.hulls.below
    left = below.device[below.width_w - split.below_w > SLIVER_W]
    short = np.zeros(len(split.devices), dtype=bool)
    short[left] = True
    return short.tolist()


def _full(split: Split, certificate: Certificate, position: int) -> str:
    limit = certificate.held_at[position]
    if limit < 0:
        return "the limits above it are full"
    return f"{split.limits[limit].id} is full ({watts(split.tree.limit_w[limit])})"


def _cause(split: Split, certificate: Certificate, position: int) -> str:
    full = _full(split, certificate, position)
    best, own = certificate.over[position], certificate.next_slope[position]
    if best <= own * (1 + 1e-9):
        return full
    return f"{full}, where the next watt is worth {best:.3g} tok/s and {own:.3g} here"


def _floor(split: Split, position: int) -> str:
    tier = split.devices[position].tier
    kept = 100 * (1 - ALLOWED_LOSS[tier])
    most = split.hulls.most_tok_s[position]
    return f"service floor (tier {tier}: {kept:.0f} % of {most:,.0f} tok/s)"
