"""Locks of the cards' clocks: what was asked for, what holds, and what is tried again when.

A lock is a knob for efficiency and never counts as a limit: only enforced power caps do.
"""

from dataclasses import dataclass, replace
from typing import Final

from agents.core.effects import ClockSet

RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """locked_mhz: the lock that holds, None for free; known: whether that is certain.

    asking: a call is out. failed_s: when the last one failed, None if it did not.
    """

    locked_mhz: float | None = None
    known: bool = True
    asking: bool = False
    failed_s: float | None = None

    def usable(self, now_s: float) -> bool:
        """Whether locks may be chosen: none failed lately."""
        return self.failed_s is None or now_s - self.failed_s >= RETRY_S


def to_ask(clocks: Clocks, wanted_mhz: float | None, now_s: float) -> bool:
    """Whether to ask for another lock now."""
    same = clocks.known and clocks.locked_mhz == wanted_mhz
    return not same and not clocks.asking and clocks.usable(now_s)


def asked(clocks: Clocks, wanted_mhz: float | None) -> Clocks:
    """Note that a call is out: until it answers nothing is certain."""
    return replace(clocks, locked_mhz=wanted_mhz, known=False, asking=True)


def answered(clocks: Clocks, result: ClockSet, now_s: float) -> Clocks:
    """Take the answer of a call."""
    if result.error is not None:
        return replace(clocks, known=False, asking=False, failed_s=now_s)
    return Clocks(result.clock_mhz)
