"""Deletes raw samples that have become old; what was asked, decided and delivered stays."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine, Table, delete, select, tuple_

from orchestrator.domain.errors import InvalidInput
from orchestrator.store.engine import writing
from orchestrator.store.record_tables import meter_samples, node_samples, setpoints

AGE = {meter_samples: "at", node_samples: "at", setpoints: "sent_at"}
BATCH_ROWS = 5_000


def purge(
    engine: Engine,
    now: datetime,
    keep_days: float,
    *,
    stopping: Callable[[], bool] = lambda: False,
    batch_rows: int = BATCH_ROWS,
) -> dict[str, int]:
    """Delete samples and setpoints older than keep_days, in short transactions.

    stopping: asked between two batches. Returns the rows deleted by table.
    Raises DatabaseUnavailable; what was deleted until then stays deleted.
    """
    if not keep_days > 0:
        raise InvalidInput("keep_days must be above 0")
    before = now - timedelta(days=keep_days)
    deleted = dict.fromkeys((table.name for table in AGE), 0)
    for table, column in AGE.items():
        full = True
        while full and not stopping():
            count = _delete_batch(engine, table, column, before, batch_rows)
            deleted[table.name] += count
            full = count == batch_rows
    return deleted


def _delete_batch(
    engine: Engine, table: Table, column: str, before: datetime, batch_rows: int
) -> int:
    key = list(table.primary_key)
    age = table.c[column]
    oldest = select(*key).where(age < before).order_by(age).limit(batch_rows)
    with writing(engine) as connection:
        return connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount
