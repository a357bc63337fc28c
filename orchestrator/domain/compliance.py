"""Ramps and shortfalls: when a limit counts after it fell, and what stayed above it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.domain.events import Shortfall
from orchestrator.domain.moment import Moment

REPORT_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """A limit that fell: until ends_s (monotonic) the old one still counts. Never extended."""

    from_w: float
    to_w: float
    ends_s: float


@dataclass(slots=True)
class Ramps:
    """The ramps of all limits; each is declared once, when its limit falls."""

    _last_w: dict[str, float] = field(default_factory=dict)
    _running: dict[str, Ramp] = field(default_factory=dict)

    def update(
        self, ceilings_w: Mapping[str, float], deadlines_s: Mapping[str, float], now_s: float
    ) -> None:
        """Note today's ceilings; a fall declares a ramp that ends after its limit's deadline."""
        for limit_id, ceiling_w in ceilings_w.items():
            before_w = self._last_w.get(limit_id)
            if before_w is not None and ceiling_w < before_w:
                still_w = self.allowed_w(limit_id, before_w, now_s)
                ends_s = now_s + deadlines_s.get(limit_id, 5.0)
                running = self._running.get(limit_id)
                if running is not None and running.ends_s > now_s:
                    ends_s = min(ends_s, running.ends_s)
                self._running[limit_id] = Ramp(still_w, ceiling_w, ends_s)
            self._last_w[limit_id] = ceiling_w

    def allowed_w(self, limit_id: str, ceiling_w: float, now_s: float) -> float:
        """What may be drawn under the limit now: the ceiling, or more while its ramp runs."""
        ramp = self._running.get(limit_id)
        if ramp is None or now_s >= ramp.ends_s:
            return ceiling_w
        return max(ramp.from_w, ceiling_w)


@dataclass(frozen=True, slots=True)
class _Open:
    started_at: datetime
    last_s: float
    reported_s: float
    excess_ws: float
    worst_w: float
    cause: str


@dataclass(slots=True)
class ShortfallWatch:
    """Integrates what exceeds a limit; reports when it ends and every ten seconds meanwhile."""

    measured: bool
    _open: dict[str, _Open] = field(default_factory=dict)

    def update(
        self, limit_id: str, value_w: float, allowed_w: float, cause: str, now: Moment
    ) -> Shortfall | None:
        """Take one value, watts; returns a record when one is due."""
        excess_w = value_w - allowed_w
        running = self._open.get(limit_id)
        if excess_w <= 0.5:
            return self._close(limit_id, now)
        if running is None:
            self._open[limit_id] = _Open(
                now.utc, now.monotonic_s, now.monotonic_s, 0.0, excess_w, cause
            )
            return None
        grown = _grow(running, excess_w, now)
        self._open[limit_id] = grown
        if now.monotonic_s - running.reported_s < REPORT_EVERY_S:
            return None
        self._open[limit_id] = replace(grown, reported_s=now.monotonic_s)
        return self._record(limit_id, grown, now)

    def open_limits(self) -> frozenset[str]:
        """Limits that are exceeded now."""
        return frozenset(self._open)

    def _close(self, limit_id: str, now: Moment) -> Shortfall | None:
        running = self._open.pop(limit_id, None)
        return None if running is None else self._record(limit_id, running, now)

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


def _grow(running: _Open, excess_w: float, now: Moment) -> _Open:
    passed_s = now.monotonic_s - running.last_s
    return replace(
        running,
        last_s=now.monotonic_s,
        excess_ws=running.excess_ws + excess_w * passed_s,
        worst_w=max(running.worst_w, excess_w),
    )
