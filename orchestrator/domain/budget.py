"""Operators' budgets by time of day, and the watts of a limit that nodes may share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orchestrator.domain.errors import InvalidBudget
from orchestrator.domain.topology import Topology

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class Budget:
    """An operator's ceiling on one limit, from start to end on the given weekdays (Monday 0).

    An end at or before the start lies on the next day; equal times mean the whole day. When
    clocks are set back the ceiling holds from the first start to the last end.
    """

    id: str
    limit_id: str
    limit_w: float
    start: time
    end: time
    days: tuple[int, ...] = EVERY_DAY
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not 0 < self.limit_w < float("inf"):
            raise InvalidBudget(f"budget {self.id}: limit_w must be above 0, got {self.limit_w}")
        if not self.days or any(day not in EVERY_DAY for day in self.days):
            raise InvalidBudget(f"budget {self.id}: days are numbers 0 (Monday) to 6 (Sunday)")
        _zone(self.timezone)

    def occurrences(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The budget's intervals that touch [since, until), in order, in UTC."""
        zone = _zone(self.timezone)
        day = since.astimezone(zone).date() - timedelta(days=1)
        last = until.astimezone(zone).date()
        while day <= last:
            if day.weekday() in self.days:
                over = timedelta(days=1 if self.end <= self.start else 0)
                starts = _instants(day, self.start, zone)[0]
                ends = max(_instants(day + over, self.end, zone))
                if starts < ends and ends > since and starts < until:
                    yield starts, ends
            day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class GridPolicy:
    """What the operator does about carbon and prices: above a threshold the root's limit falls."""

    carbon_above_g_per_kwh: float | None = None
    carbon_limit_w: float | None = None
    price_above_per_mwh: float | None = None
    price_limit_w: float | None = None

    def __post_init__(self) -> None:
        for limit_w in (self.carbon_limit_w, self.price_limit_w):
            if limit_w is not None and not 0 < limit_w < float("inf"):
                raise InvalidBudget("a carbon or price limit must be above 0 watts")


def available_w(
    topology: Topology,
    ceilings_w: Mapping[str, float],
    trims_w: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Watts that nodes may draw together under each limit.

    The ceiling in force less the uncontrolled load below it, its own reserve and what its meter
    trims; never negative.
    """
    return {
        limit.id: max(
            0.0,
            ceilings_w.get(limit.id, limit.limit_w)
            - topology.uncontrolled_under_w[limit.id]
            - limit.reserve_w
            - trims_w.get(limit.id, 0.0),
        )
        for limit in topology.limits
    }


def _instants(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first and the second time that the clock shows it; mostly the same, in UTC."""
    local = datetime.combine(day, at, zone)
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidBudget(f"unknown time zone {name!r}") from error
