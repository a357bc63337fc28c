"""Ramps and shortfalls: when a limit counts after it fell, and what stayed above it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.domain.events import Shortfall
from orchestrator.domain.moment import Moment

REPORT_EVERY_S = 10.0
DEFAULT_DEADLINE_S = 5.0
TOLERANCE_W = 0.5


@dataclass(frozen=True, slots=True)
class Ramp:
    """A limit that fell: until ends_s (monotonic) the old one, from_w, still counts."""

    from_w: float
    ends_s: float


@dataclass(slots=True)
class Ramps:
    """The ramps of all limits; each fall declares its own, whose end never changes."""

    _last_w: dict[str, float] = field(default_factory=dict)
    _running: dict[str, tuple[Ramp, ...]] = field(default_factory=dict)

    def update(
        self, ceilings_w: Mapping[str, float], deadlines_s: Mapping[str, float], now_s: float
    ) -> None:
        """Note today's ceilings; a fall declares a ramp that ends after its limit's deadline."""
        for limit_id, ceiling_w in ceilings_w.items():
            running = tuple(r for r in self._running.get(limit_id, ()) if now_s < r.ends_s)
            before_w = self._last_w.get(limit_id)
            if before_w is not None and ceiling_w < before_w:
                ends_s = now_s + deadlines_s.get(limit_id, DEFAULT_DEADLINE_S)
                running = (*running, Ramp(before_w, ends_s))
            self._running[limit_id] = running
            self._last_w[limit_id] = ceiling_w

    def allowed_w(self, limit_id: str, ceiling_w: float, now_s: float) -> float:
        """What may be drawn under the limit now: the ceiling, or more while a ramp runs."""
        running = (r.from_w for r in self._running.get(limit_id, ()) if now_s < r.ends_s)
        return max([ceiling_w, *running])


@dataclass(frozen=True, slots=True)
class _Open:
    started_at: datetime
    last_s: float
    reported_s: float
    excess_w: float
    excess_ws: float
    worst_w: float
    cause: str


@dataclass(slots=True)
class ShortfallWatch:
    """Integrates what exceeds a limit; reports when it ends and every ten seconds meanwhile.

    A value counts until the next one.
    """

    measured: bool
    _open: dict[str, _Open] = field(default_factory=dict)

    def update(
        self, limit_id: str, value_w: float, allowed_w: float, cause: str, now: Moment
    ) -> Shortfall | None:
        """Take one value, watts; returns a record when one is due."""
        excess_w = value_w - allowed_w
        if excess_w <= TOLERANCE_W:
            return self.close(limit_id, now)
        running = self._open.get(limit_id)
        if running is None:
            self._open[limit_id] = _Open(
                now.utc, now.monotonic_s, now.monotonic_s, excess_w, 0.0, excess_w, cause
            )
            return None
        worst_w = max(running.worst_w, excess_w)
        grown = replace(_grown(running, now), excess_w=excess_w, worst_w=worst_w)
        if now.monotonic_s - running.reported_s < REPORT_EVERY_S:
            self._open[limit_id] = grown
            return None
        self._open[limit_id] = replace(grown, reported_s=now.monotonic_s)
        return self._record(limit_id, grown, now)

    def close(self, limit_id: str, now: Moment) -> Shortfall | None:
        """End what runs at a limit: it is kept, or nothing is known of it any more."""
        running = self._open.pop(limit_id, None)
        return None if running is None else self._record(limit_id, _grown(running, now), now)

    def open_limits(self) -> frozenset[str]:
        """Limits that are exceeded now."""
        return frozenset(self._open)

    def _record(self, limit_id: str, running: _Open, now: Moment) -> Shortfall:
        return Shortfall(
            limit_id=limit_id,
            started_at=running.started_at,
            ended_at=now.utc,
            excess_ws=running.excess_ws,
            worst_w=running.worst_w,
            cause=running.cause,
            measured=self.measured,
        )


def _grown(running: _Open, now: Moment) -> _Open:
    added_ws = running.excess_w * (now.monotonic_s - running.last_s)
    return replace(running, last_s=now.monotonic_s, excess_ws=running.excess_ws + added_ws)
