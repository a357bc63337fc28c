"""Every signal that was ever taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, or_, select, update

from orchestrator.domain.errors import DuplicateSignal, NotFound
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.store.canonical import digest
from orchestrator.store.engine import reading, writing
from orchestrator.store.record_tables import signals

T = signals.c


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """A signal with what became of it."""

    signal: Signal
    origin: str
    received_at: datetime
    cancelled_at: datetime | None


class Signals:
    """Signals by source and id; none is ever deleted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, signal: Signal, raw: bytes | str, origin: str, received_at: datetime) -> bool:
        """Store a signal with its message: True when new, False when it repeats one.

        Raises DuplicateSignal when its source used the id before, for something else.
        """
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
        row = {
            **_row(signal),
            "received_at": received_at,
            "raw": text.replace("\0", "\ufffd"),
            "raw_sha256": digest(raw),
            "origin": origin,
        }
        with writing(self._engine) as connection:
            held = _find(connection, signal.key)
            if held is None:
                connection.execute(signals.insert(), row)
                return True
        if held["raw_sha256"] == row["raw_sha256"] or _signal(held) == signal:
            return False
        name = f"{signal.key.source}/{signal.key.id}"
        raise DuplicateSignal(f"{name} was taken with other content; send it under a new id")

    def cancel(self, key: SignalKey, at: datetime) -> None:
        """Note that a signal was withdrawn; the first time counts. Raises NotFound."""
        mine = (T.source == key.source) & (T.id == key.id)
        with writing(self._engine) as connection:
            if _find(connection, key) is None:
                raise NotFound(f"no signal {key.source}/{key.id} was taken")
            change = update(signals).where(mine, T.cancelled_at.is_(None))
            connection.execute(change.values(cancelled_at=at))

    def end(self, key: SignalKey, at: datetime) -> None:
        """Give a signal an end that its message did not have. Raises NotFound."""
        with writing(self._engine) as connection:
            if _find(connection, key) is None:
                raise NotFound(f"no signal {key.source}/{key.id} was taken")
            mine = (T.source == key.source) & (T.id == key.id)
            connection.execute(update(signals).where(mine).values(ends_at=at))

    def standing(self, now: datetime) -> list[Signal]:
        """Signals that have neither ended nor been withdrawn, in the order they came."""
        query = select(signals).where(
            T.cancelled_at.is_(None), or_(T.ends_at.is_(None), T.ends_at > now)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(T.received_at, T.source, T.id)).mappings()
            return [_signal(row) for row in rows]

    def list(self, limit: int = 100, before: datetime | None = None) -> Sequence[StoredSignal]:
        """The signals received last, newest first."""
        query = select(signals).order_by(T.received_at.desc(), T.source, T.id).limit(limit)
        if before is not None:
            query = query.where(T.received_at < before)
        with reading(self._engine) as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]


def _find(connection: Connection, key: SignalKey) -> RowMapping | None:
    query = select(signals).where(T.source == key.source, T.id == key.id)
    return connection.execute(query).mappings().one_or_none()


def _row(signal: Signal) -> dict[str, Any]:
    return {
        "source": signal.key.source,
        "id": signal.key.id,
        "kind": signal.kind,
        "value": signal.value,
        "limit_id": signal.limit_id,
        "issued_at": signal.issued_at,
        "starts_at": signal.starts_at,
        "ends_at": signal.ends_at,
        "deadline_s": signal.deadline_s,
        "best_effort": signal.best_effort,
        "correlation_id": signal.correlation_id,
        "alarm": signal.alarm,
    }


def _signal(row: RowMapping) -> Signal:
    return Signal(
        key=SignalKey(row["source"], row["id"]),
        kind=row["kind"],
        value=row["value"],
        issued_at=row["issued_at"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        limit_id=row["limit_id"],
        deadline_s=row["deadline_s"],
        best_effort=row["best_effort"],
        correlation_id=row["correlation_id"],
        alarm=row["alarm"],
    )


def _stored(row: RowMapping) -> StoredSignal:
    return StoredSignal(_signal(row), row["origin"], row["received_at"], row["cancelled_at"])
