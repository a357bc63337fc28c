"""The facility's recent past: seconds from memory, minutes from the database."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.snapshot import Snapshot

RING_FOR = timedelta(minutes=30)
STEP = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The facility at one second, or its mean over one minute. None is unknown."""

    at: datetime
    metered_w: float | None
    ceiling_w: float | None
    exposure_w: float | None
    tok_s: float | None
    itl_p95_ms: float | None


class Minute(Protocol):
    """One minute as the database has it."""

    @property
    def at(self) -> datetime: ...
    @property
    def metered_w(self) -> float | None: ...
    @property
    def ceiling_w(self) -> float | None: ...
    @property
    def exposure_w(self) -> float | None: ...
    @property
    def tok_s(self) -> float | None: ...


class Minutes(Protocol):
    """The facility by minute, in order. Raises DatabaseUnavailable."""

    def facility_minutes(self, since: datetime) -> Sequence[Minute]: ...


class Ring:
    """The last half hour, one point a second; filled by the control thread."""

    def __init__(self) -> None:
        self._points: deque[HistoryPoint] = deque()
        self._lock = threading.Lock()

    def observe(self, snapshot: Snapshot) -> None:
        """Keep a snapshot unless the last one kept is less than a second old."""
        with self._lock:
            if self._points and snapshot.at - self._points[-1].at < STEP:
                return
            self._points.append(_point(snapshot))
            while snapshot.at - self._points[0].at > RING_FOR:
                self._points.popleft()

    def since(self, moment: datetime) -> Sequence[HistoryPoint]:
        """The points from a moment on, oldest first."""
        with self._lock:
            return [point for point in self._points if point.at >= moment]


class History:
    """One answer for the chart, whatever length was asked for."""

    def __init__(self, ring: Ring, minutes: Minutes) -> None:
        self._ring = ring
        self._minutes = minutes

    def points(self, minutes: float, now: datetime) -> Sequence[HistoryPoint]:
        """Seconds for half an hour or less, minutes for longer; oldest first."""
        span = timedelta(minutes=minutes)
        if span <= RING_FOR:
            return self._ring.since(now - span)
        return [_mean(minute) for minute in self._minutes.facility_minutes(now - span)]


def _point(snapshot: Snapshot) -> HistoryPoint:
    return HistoryPoint(
        at=snapshot.at,
        metered_w=snapshot.metered_w,
        ceiling_w=snapshot.ceiling_w,
        exposure_w=snapshot.exposure_w,
        tok_s=snapshot.tok_s,
        itl_p95_ms=snapshot.itl_p95_ms,
    )


def _mean(minute: Minute) -> HistoryPoint:
    return HistoryPoint(
        at=minute.at,
        metered_w=minute.metered_w,
        ceiling_w=minute.ceiling_w,
        exposure_w=minute.exposure_w,
        tok_s=minute.tok_s,
        itl_p95_ms=None,
    )
