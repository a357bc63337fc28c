"""Rows on their way to the database: kept in memory, written in batches by one thread."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import Engine, Table

from orchestrator.domain.errors import BallastError, Unavailable
from orchestrator.store.engine import writing
from orchestrator.store.inserts import insert_or_ignore

log = structlog.get_logger(__name__)

Entry = tuple[Table, Mapping[str, Any]]

BATCH_ROWS = 5_000
MAX_BACKOFF_S = 30.0


class RowBuffer:
    """Takes rows without waiting; while the database is away it keeps the newest max_rows.

    dropped: rows lost because the buffer was full, the oldest first.
    rejected: rows lost because the database cannot hold them.
    """

    def __init__(self, engine: Engine, *, max_rows: int = 100_000, period_s: float = 1.0) -> None:
        self._engine = engine
        self._max_rows = max_rows
        self._period_s = period_s
        self._rows: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._wanted = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="row-buffer", daemon=True)
        self.dropped = 0
        self.rejected = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Keep rows until they are written; never waits and never fails."""
        with self._changed:
            self._rows.extend((table, row) for row in rows)
            while len(self._rows) > self._max_rows:
                self._rows.popleft()
                self.dropped += 1

    def waiting(self) -> int:
        """Rows not written yet."""
        return len(self._rows)

    def flush(self, timeout_s: float) -> bool:
        """Write at once; whether everything was written within the time."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._rows, timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, as far as the time allows, and end; whether everything was written."""
        written = self.flush(timeout_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return written

    def _run(self) -> None:
        pause_s = self._period_s
        while self._wait(pause_s):
            try:
                self._write_all()
                pause_s = self._period_s
            except Unavailable as error:
                log.warning("samples wait for the database", rows=self.waiting(), why=str(error))
                pause_s = min(2 * pause_s, MAX_BACKOFF_S)

    def _wait(self, pause_s: float) -> bool:
        """Wait for the pause to end or for somebody in a hurry; False when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._stopping, pause_s)
            self._wanted = False
            return not self._stopping

    def _write_all(self) -> None:
        while self._rows and not self._stopping:
            with self._changed:
                batch, before = list(islice(self._rows, BATCH_ROWS)), self.dropped
            try:
                self._write(batch)
            except Unavailable:
                raise
            except BallastError as error:
                self.rejected += len(batch)
                log.warning("samples cannot be stored", rows=len(batch), why=str(error))
            self._forget(len(batch), before)

    def _write(self, batch: list[Entry]) -> None:
        by_table: dict[Table, list[Mapping[str, Any]]] = {}
        for table, row in batch:
            by_table.setdefault(table, []).append(row)
        with writing(self._engine) as connection:
            for table, rows in by_table.items():
                insert_or_ignore(connection, table, rows)

    def _forget(self, written: int, dropped_before: int) -> None:
        with self._changed:
            # What was dropped in the meantime were the oldest rows, which were in the batch.
            for _ in range(written - (self.dropped - dropped_before)):
                self._rows.popleft()
            self._changed.notify_all()
