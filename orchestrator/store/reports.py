"""What the views say, as values: the facility by minute, and what events delivered."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Double, Engine, Text, column, select, table

from orchestrator.domain.signals import SignalKey
from orchestrator.store.columns import UtcDateTime
from orchestrator.store.engine import reading


@dataclass(frozen=True, slots=True)
class FacilityMinute:
    """One minute of the facility; None is unknown."""

    at: datetime
    metered_w: float | None
    ceiling_w: float | None
    exposure_w: float | None
    tok_s: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an event delivered by the meter. excess_ws: watt-seconds above its limit."""

    key: SignalKey
    delivered_w: float | None
    delivered_fraction: float | None
    time_to_comply_s: float | None
    max_over_limit_w: float | None
    excess_ws: float | None


_MINUTES = table(
    "facility_by_minute",
    column("minute", UtcDateTime),
    column("mean_metered_w", Double),
    column("min_budget_w", Double),
    column("max_exposure_w", Double),
    column("tok_s", Double),
)
_FIGURES = ("delivered_w", "delivered_fraction", "time_to_comply_s", "max_over_limit_w")
_DELIVERED = table(
    "events_delivered",
    column("source", Text),
    column("event_id", Text),
    column("starts_at", UtcDateTime),
    column("shortfall_ws", Double),
    *(column(name, Double) for name in _FIGURES),
)


class Reports:
    """Reads the views."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def facility_minutes(self, since: datetime) -> list[FacilityMinute]:
        """The minutes from a moment on, in order."""
        minutes = _MINUTES.c
        query = (
            select(
                minutes.minute,
                minutes.mean_metered_w,
                minutes.min_budget_w,
                minutes.max_exposure_w,
                minutes.tok_s,
            )
            .where(minutes.minute >= since)
            .order_by(minutes.minute)
        )
        with reading(self._engine) as connection:
            return [FacilityMinute(*row) for row in connection.execute(query)]

    def deliveries(self, limit: int) -> list[Delivery]:
        """What the latest events delivered, by start, newest first."""
        events = _DELIVERED.c
        figures = [events[name] for name in _FIGURES]
        query = (
            select(events.source, events.event_id, *figures, events.shortfall_ws)
            .order_by(events.starts_at.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [
                Delivery(SignalKey(source, event_id), *rest)
                for source, event_id, *rest in connection.execute(query)
            ]
