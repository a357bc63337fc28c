"""Read-only SQL for people and for the HTTP API."""

import re
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, bindparam, text

from orchestrator.domain.errors import ConfigurationError, DatabaseUnavailable, InvalidInput
from orchestrator.store.columns import UtcDateTime
from orchestrator.store.engine import CONNECT_TIMEOUT_S, LOCK_TIMEOUT_S, reading

QUERY_TIMEOUT_S = 30.0
QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:SELECT|WITH|VALUES)\b",
    re.IGNORECASE | re.DOTALL,
)
READS = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)

Answer = tuple[list[str], list[tuple[Any, ...]]]


class SqlQuery:
    """Queries of our own with named parameters, :name, on tables and views."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows. Moments go in and come out as UTC datetimes on either database."""
        moments = [name for name, value in parameters.items() if isinstance(value, datetime)]
        query = text(sql).bindparams(*(bindparam(name, type_=UtcDateTime()) for name in moments))
        with reading(self._engine) as connection:
            result = connection.execute(query, dict(parameters))
            columns = list(result.keys())
            return [dict(zip(columns, typed(columns, row), strict=True)) for row in result]


def run_readonly(engine: Engine, sql: str, max_rows: int) -> Answer:
    """Column names and at most max_rows rows of one query; the database refuses any change.

    Raises InvalidInput for SQL that fails, changes something, or is more than one statement.
    """
    if not QUERY.match(sql):
        raise InvalidInput("only a query can be run here: SELECT, WITH or VALUES")
    if engine.dialect.name == "sqlite":
        columns, rows = _run_sqlite(engine, sql, max_rows)
    else:
        columns, rows = _run_postgres(engine, sql, max_rows)
    return columns, [typed(columns, row) for row in rows]


def typed(columns: Sequence[str], row: Iterable[Any]) -> tuple[Any, ...]:
    """A row whose moments are UTC datetimes: SQLite keeps them as text."""
    return tuple(_moment(name, value) for name, value in zip(columns, row, strict=True))


def _moment(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value
    if not isinstance(value, str) or not (column in ("at", "minute") or column.endswith("_at")):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _run_sqlite(engine: Engine, sql: str, max_rows: int) -> Answer:
    path = Path(engine.url.database or "").absolute()
    if not path.exists():
        raise ConfigurationError(f"there is no database at {path}; run ballast migrate")
    try:
        uri = f"{path.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.set_authorizer(_authorize)
            return _fetch_sqlite(connection, sql, max_rows)
    except sqlite3.OperationalError as error:
        if "unable to open" in str(error) or "locked" in str(error):
            raise DatabaseUnavailable(f"the database failed: {error}") from error
        raise InvalidInput(f"SQL: {error}") from error
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise InvalidInput(f"SQL: {error}") from error


def _fetch_sqlite(connection: sqlite3.Connection, sql: str, max_rows: int) -> Answer:
    watchdog = threading.Timer(QUERY_TIMEOUT_S, connection.interrupt)
    watchdog.daemon = True
    watchdog.start()
    try:
        cursor = connection.execute(sql)
        rows = list(islice(cursor, max_rows))
        return [name for name, *_ in cursor.description or ()], rows
    finally:
        watchdog.cancel()
        watchdog.join(1.0)


def _authorize(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY


def _run_postgres(engine: Engine, sql: str, max_rows: int) -> Answer:
    location = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = f"-c timezone=UTC -c statement_timeout={int(QUERY_TIMEOUT_S)}s"
    try:
        with psycopg.connect(
            location, connect_timeout=CONNECT_TIMEOUT_S, options=options
        ) as connection:
            connection.read_only = True
            return _fetch_postgres(connection, sql, max_rows)
    except psycopg.errors.QueryCanceled as error:
        raise InvalidInput(f"the query took longer than {QUERY_TIMEOUT_S:.0f} s") from error
    except psycopg.errors.Error as error:
        if error.sqlstate is None or error.sqlstate.startswith(("08", "53", "57")):
            raise DatabaseUnavailable(f"the database failed: {_first_line(error)}") from error
        raise InvalidInput(f"SQL: {_first_line(error)}") from error


def _fetch_postgres(
    connection: psycopg.Connection[tuple[Any, ...]], sql: str, max_rows: int
) -> Answer:
    # A cursor on the server reads no more than is asked for, and takes one statement only.
    with connection.cursor("ballast_sql") as cursor:
        cursor.execute(sql.encode())
        rows = cursor.fetchmany(max_rows)
        return [column.name for column in cursor.description or ()], rows


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
