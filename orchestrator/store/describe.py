"""Writes the reference part of docs/sql.md from the tables and views themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Double, Text, Time

from orchestrator.store import record_tables, tables
from orchestrator.store.columns import UtcDateTime, metadata
from orchestrator.store.views import VIEWS

MARKER = "<!-- Written by `python -m orchestrator.store.describe`; a test compares. -->"
MODULES = (record_tables, tables)


def reference() -> str:
    """Every view and table with its columns, as Markdown."""
    return "\n".join([MARKER, "", *_lines()])


def _lines() -> Iterator[str]:
    yield "## Views"
    for view in VIEWS:
        yield from _section(view.name, view.about)
        yield from _grid(("column", "what it says"), view.columns.items())
    yield from ("", "## Tables")
    for name, table in sorted(metadata.tables.items()):
        yield from _section(name, str(table.info["about"]))
        rows = ((column.name, _kind(column), _words(column)) for column in table.columns)
        yield from _grid(("column", "type", "what it says"), rows)


def _section(name: str, about: str) -> Iterator[str]:
    yield from ("", f"### {name}", "", about, "")


def _grid(header: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for name, *cells in rows:
        yield f"| {' | '.join([f'`{name}`', *cells])} |"


def _kind(column: Column[Any]) -> str:
    for kind, name in NAMES.items():
        if isinstance(column.type, kind):
            return name
    return "integer"


def _words(column: Column[Any]) -> str:
    role = "Key. " if column.primary_key else ""
    return f"{role}{column.doc}{' Or empty.' if _may_be_empty(column) else ''}"


def _may_be_empty(column: Column[Any]) -> bool:
    return bool(column.nullable) and "empty" not in str(column.doc)


NAMES: Mapping[type, str] = {
    UtcDateTime: "UTC time",
    Boolean: "boolean",
    Double: "number",
    Time: "time of day",
    Text: "text",
}


if __name__ == "__main__":
    print(reference())  # noqa: T201
