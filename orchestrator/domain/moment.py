"""One moment in both clocks: monotonic seconds for control, UTC for records."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MOST_SLEW: Final = 0.05
"""How much faster or slower than the monotonic clock UTC may run."""
PATIENCE_S: Final = 120.0
"""A wall clock that has stood elsewhere for so long is right."""
SAME_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Moment:
    """monotonic_s: seconds of this process's monotonic clock. utc: time zone aware."""

    monotonic_s: float
    utc: datetime


class SteadyUtc:
    """A UTC that rides through jumps of the wall clock.

    It runs with the monotonic clock and slews towards what the wall shows; only a wall that has
    kept its distance for PATIENCE_S is followed at once. So an event neither starts nor ends
    because somebody set the clock for a moment.
    """

    def __init__(self) -> None:
        self._utc: datetime | None = None
        self._at_s = 0.0
        self._apart_since_s: float | None = None

    def follow(self, monotonic_s: float, wall: datetime) -> datetime:
        """The time now, given what the wall clock shows."""
        if self._utc is None:
            self._utc, self._at_s = wall, monotonic_s
            return wall
        passed_s = max(0.0, monotonic_s - self._at_s)
        expected = self._utc + timedelta(seconds=passed_s)
        apart_s = (wall - expected).total_seconds()
        most_s = MOST_SLEW * passed_s
        self._at_s = monotonic_s
        if abs(apart_s) <= most_s + SAME_S or self._stands(monotonic_s):
            self._apart_since_s = None
            self._utc = wall
        else:
            self._apart_since_s = self._apart_since_s or monotonic_s
            self._utc = expected + timedelta(seconds=most_s if apart_s > 0 else -most_s)
        return self._utc

    def _stands(self, monotonic_s: float) -> bool:
        since_s = self._apart_since_s
        return since_s is not None and monotonic_s - since_s >= PATIENCE_S
