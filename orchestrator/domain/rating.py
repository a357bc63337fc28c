"""What electricians state of a limit, as watts: a breaker, an apparent power, or plain watts.

    3 phases: sqrt(3) x volts between the lines x amperes x power factor
    1 phase:  volts across the load x amperes x power factor

A load that runs three hours or longer may take 80 % of its overcurrent device's rating
(NEC 210.20(A) and 215.3). Serving is such a load.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt

from orchestrator.domain.errors import InvalidTopology

CONTINUOUS_SHARE = 0.8
SQRT_3 = sqrt(3.0)
COMPANIONS = ("volts", "phases", "power_factor", "continuous")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "limit_w": (),
    "breaker_a": ("volts", "phases", "power_factor"),
    "kva": ("power_factor",),
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "limit_w": (),
    "breaker_a": ("continuous",),
    "kva": ("continuous",),
}


@dataclass(frozen=True, slots=True)
class Rating:
    """How a limit is stated: exactly one of limit_w, breaker_a and kva.

    breaker_a: amperes of the overcurrent device, with volts, phases (1 or 3) and power_factor.
    volts: between the lines for 3 phases, across the load for 1. kva: with power_factor.
    continuous: count 80 % only; None: for a breaker yes, for kva no. Breakers listed for 100 %
        say False.
    """

    limit_w: float | None = None
    breaker_a: float | None = None
    volts: float | None = None
    phases: int | None = None
    kva: float | None = None
    power_factor: float | None = None
    continuous: bool | None = None


@dataclass(frozen=True, slots=True)
class Rated:
    """The watts that everything else uses, and how they came about; empty for plain watts."""

    limit_w: float
    derivation: str = ""


def rated(limit_id: str, rating: Rating) -> Rated:
    """The limit in watts. Raises InvalidTopology, one line, for what does not fit together."""
    _check_combination(limit_id, rating)
    if rating.limit_w is not None:
        return Rated(rating.limit_w)
    full_w, words = _full(rating)
    continuous = rating.breaker_a is not None if rating.continuous is None else rating.continuous
    if not continuous:
        return Rated(full_w, words)
    return Rated(full_w * CONTINUOUS_SHARE, f"{words} x 80 % (continuous load)")


def _full(rating: Rating) -> tuple[float, str]:
    factor = rating.power_factor or 0.0
    if rating.kva is not None:
        return rating.kva * 1e3 * factor, f"{rating.kva:g} kVA x power factor {factor:g}"
    amperes, volts = rating.breaker_a or 0.0, rating.volts or 0.0
    lines, words = (SQRT_3, "sqrt(3) x ") if rating.phases == 3 else (1.0, "")
    words = f"{words}{volts:g} V x {amperes:g} A x power factor {factor:g}"
    return lines * volts * amperes * factor, words


def _check_combination(limit_id: str, rating: Rating) -> None:
    stated = [name for name in ("limit_w", "breaker_a", "kva") if getattr(rating, name) is not None]
    if len(stated) != 1:
        raise InvalidTopology(
            f"limit {limit_id}: give exactly one of limit_w, breaker_a and kva, "
            f"found {' and '.join(stated) or 'none'}"
        )
    _check_companions(limit_id, rating, stated[0])
    _check_numbers(limit_id, rating)


def _check_companions(limit_id: str, rating: Rating, stated: str) -> None:
    given = {name for name in COMPANIONS if getattr(rating, name) is not None}
    missing = [name for name in NEEDED[stated] if name not in given]
    if missing:
        raise InvalidTopology(f"limit {limit_id}: {stated} needs {' and '.join(missing)} beside it")
    idle = sorted(given.difference(NEEDED[stated], OPTIONAL[stated]))
    if idle:
        raise InvalidTopology(
            f"limit {limit_id}: leave {' and '.join(idle)} out; beside {stated} it says nothing"
        )


def _check_numbers(limit_id: str, rating: Rating) -> None:
    for name in ("breaker_a", "volts", "kva"):
        value = getattr(rating, name)
        if value is not None and not 0 < value < inf:
            raise InvalidTopology(f"limit {limit_id}: {name} must be above 0 and finite")
    if rating.phases not in (None, 1, 3):
        raise InvalidTopology(f"limit {limit_id}: phases must be 1 or 3, got {rating.phases}")
    if rating.power_factor is not None and not 0 < rating.power_factor <= 1:
        raise InvalidTopology(f"limit {limit_id}: power_factor must be above 0 and at most 1")
