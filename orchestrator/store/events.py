"""Demand response events, and what could not be kept: shortfalls and breaches."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, RowMapping, select

from orchestrator.domain.breach import Breach
from orchestrator.domain.errors import NotFound
from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.signals import SignalKey
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import upsert
from orchestrator.store.record_tables import breaches, events, shortfalls

OPEN = ("scheduled", "active", "recovering")


class Events:
    """Events by the key of their signal; the latest record of each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, record: EventRecord) -> None:
        """Store an event or what became of it."""
        row: dict[str, Any] = {name: getattr(record, name) for name in record.__slots__}
        key = row.pop("key")
        with writing(self._engine) as connection:
            upsert(connection, events, {"source": key.source, "id": key.id, **row})

    def get(self, key: SignalKey) -> EventRecord:
        """One event. Raises NotFound."""
        query = select(events).where(events.c.source == key.source, events.c.id == key.id)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no event {key.source}/{key.id}")
        return _record(row)

    def open(self) -> list[EventRecord]:
        """Events that have not ended, their recovery included, by start."""
        query = select(events).where(events.c.status.in_(OPEN)).order_by(events.c.starts_at)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def list(self, limit: int = 100, before: datetime | None = None) -> list[EventRecord]:
        """The events that start last, newest first."""
        query = select(events).order_by(events.c.starts_at.desc(), events.c.id).limit(limit)
        if before is not None:
            query = query.where(events.c.starts_at < before)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query).mappings()]


class Shortfalls:
    """Exposure or metered power above a limit, as it was judged."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, shortfall: Shortfall) -> None:
        """Store a shortfall; one with the same limit and start is replaced."""
        with writing(self._engine) as connection:
            upsert(connection, shortfalls, asdict(shortfall))

    def list(self, since: datetime) -> list[Shortfall]:
        """Shortfalls that began at or after a moment, in order."""
        query = select(shortfalls).where(shortfalls.c.started_at >= since)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(shortfalls.c.started_at)).mappings()
            return [Shortfall(**row) for row in rows]


class Breaches:
    """Breaches by limit and beginning; the latest record of each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, breach: Breach) -> None:
        """Store a breach or what became of it."""
        with writing(self._engine) as connection:
            upsert(connection, breaches, asdict(breach))

    def open(self) -> list[Breach]:
        """Breaches that are not resolved, by beginning."""
        query = select(breaches).where(breaches.c.resolved_at.is_(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(breaches.c.started_at)).mappings()
            return [Breach(**row) for row in rows]

    def list(self, limit: int = 100, before: datetime | None = None) -> list[Breach]:
        """The breaches that began last, newest first."""
        query = select(breaches).order_by(breaches.c.started_at.desc(), breaches.c.limit_id)
        if before is not None:
            query = query.where(breaches.c.started_at < before)
        with reading(self._engine) as connection:
            return [Breach(**row) for row in connection.execute(query.limit(limit)).mappings()]


def _record(row: RowMapping) -> EventRecord:
    known = dict(row)
    return EventRecord(key=SignalKey(known.pop("source"), known.pop("id")), **known)
