"""INSERT .. ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def insert_for(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ON CONFLICT for the connection's database."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def insert_or_ignore(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, leaving alone those whose key is there already."""
    if rows:
        connection.execute(insert_for(connection, table).on_conflict_do_nothing(), list(rows))


def upsert(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row, or write it over the one with its key."""
    insert = insert_for(connection, table)
    key = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in row if name not in key}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changed), row)
