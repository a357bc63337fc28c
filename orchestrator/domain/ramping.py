"""The site's ceiling in force: it follows what is asked along the declared ramps.

A fall is never slowed past its deadline, and an emergency passes the ramp. A rise waits where it
is too small to be more than flapping, and then climbs; every node takes its own moment for it.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import Final

STEP_S: Final = 1.0
"""The ceiling moves in steps of this time, so that not every tick is a decision."""
FOLLOW_S: Final = 2.0
"""What nodes take to follow the last step of a fall: it ends so long before its deadline."""


@dataclass(frozen=True, slots=True)
class RampRules:
    """up_w_per_s, down_w_per_s: of the whole site, None for no ramp.

    A rise by less than the fraction `hysteresis` counts once it has stood for calm_s seconds.
    """

    up_w_per_s: float | None = None
    down_w_per_s: float | None = None
    hysteresis: float = 0.01
    calm_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SiteCeiling:
    """level_w: in force since moved_s; wanted_w: where it goes, as last asked.

    fall_w_per_s: of the fall in progress. above_s: since when more was asked than is in force.
    admitted_w: how far it may climb.
    """

    level_w: float
    moved_s: float
    wanted_w: float
    fall_w_per_s: float | None = None
    above_s: float | None = None
    admitted_w: float = 0.0

    @property
    def climbing(self) -> bool:
        """Whether it is on its way up."""
        return self.level_w < self.admitted_w


def follow(
    before: SiteCeiling | None,
    wanted_w: float,
    now_s: float,
    rules: RampRules,
    *,
    deadline_s: float,
    sudden_w: float = inf,
) -> SiteCeiling:
    """The ceiling now, watts.

    deadline_s: of a fall that begins now. sudden_w: what emergencies ask for, which pass the ramp;
    not below wanted_w.
    """
    if before is not None and sudden_w < before.level_w:
        before = replace(before, level_w=sudden_w)
    if before is None or wanted_w == before.level_w:
        return SiteCeiling(wanted_w, now_s, wanted_w)
    if wanted_w > before.level_w:
        return _risen(before, wanted_w, now_s, rules)
    if rules.down_w_per_s is None or deadline_s <= 0:
        return SiteCeiling(wanted_w, now_s, wanted_w)
    return _fallen(before, wanted_w, now_s, rules.down_w_per_s, deadline_s)


def phase(node: str) -> float:
    """A fraction in [0, 1) that is a node's own: its moment within every step of a climb."""
    return int.from_bytes(sha256(node.encode()).digest()[:4]) / 2**32


def _fallen(
    before: SiteCeiling, wanted_w: float, now_s: float, down_w_per_s: float, deadline_s: float
) -> SiteCeiling:
    falling_w_per_s = before.fall_w_per_s
    if falling_w_per_s is not None and wanted_w == before.wanted_w:
        return _stepped(before, -falling_w_per_s, now_s)
    needed_w_per_s = _needed_w_per_s(before.level_w - wanted_w, deadline_s)
    rate = max(down_w_per_s, needed_w_per_s, falling_w_per_s or 0.0)
    begun_s = now_s - STEP_S if falling_w_per_s is None else before.moved_s
    return _stepped(SiteCeiling(before.level_w, begun_s, wanted_w, rate), -rate, now_s)


def _needed_w_per_s(fall_w: float, deadline_s: float) -> float:
    return fall_w / max(deadline_s / 2, deadline_s - FOLLOW_S)


def _risen(before: SiteCeiling, wanted_w: float, now_s: float, rules: RampRules) -> SiteCeiling:
    above_s = now_s if before.above_s is None else before.above_s
    ceiling = replace(before, wanted_w=wanted_w, fall_w_per_s=None, above_s=above_s)
    small = wanted_w <= before.level_w * (1 + rules.hysteresis)
    if not small or now_s - above_s >= rules.calm_s:
        moved_s = before.moved_s if before.climbing else now_s
        ceiling = replace(ceiling, admitted_w=wanted_w, moved_s=moved_s)
    if wanted_w > ceiling.admitted_w:
        return ceiling
    if rules.up_w_per_s is None:
        return SiteCeiling(wanted_w, now_s, wanted_w)
    return _stepped(ceiling, rules.up_w_per_s, now_s)


def _stepped(ceiling: SiteCeiling, w_per_s: float, now_s: float) -> SiteCeiling:
    passed_s = now_s - ceiling.moved_s
    reached_w = ceiling.level_w + w_per_s * passed_s
    bounded = min if w_per_s > 0 else max
    level_w = bounded(reached_w, ceiling.wanted_w)
    if level_w != ceiling.wanted_w and passed_s < STEP_S:
        return ceiling
    return replace(ceiling, level_w=level_w, moved_s=now_s)
