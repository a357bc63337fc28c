"""Answers of queries as a table, CSV or JSON, and the command that prints them."""

import csv
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.domain.errors import InvalidInput
from orchestrator.store.engine import open_engine
from orchestrator.store.query import run_readonly

MAX_ROWS = 10_000

Rows = Sequence[Sequence[Any]]


def sql_command(url: str, statement: str, as_csv: bool, as_json: bool, out: TextIO) -> None:
    """Run one read-only query and print its answer to out: a table, CSV or JSON.

    Raises InvalidInput for SQL that fails and for answers of more than MAX_ROWS rows.
    """
    if as_csv and as_json:
        raise InvalidInput("choose one of --csv and --json")
    engine = open_engine(url)
    try:
        columns, rows = run_readonly(engine, statement, MAX_ROWS + 1)
    finally:
        engine.dispose()
    if len(rows) > MAX_ROWS:
        raise InvalidInput(f"more than {MAX_ROWS} rows; narrow the query or add LIMIT")
    render: Callable[[Sequence[str], Rows, TextIO], None] = print_table
    if as_csv or as_json:
        render = print_csv if as_csv else print_json
    render(columns, rows, out)


def print_table(columns: Sequence[str], rows: Rows, out: TextIO) -> None:
    """A table for people; numbers are rounded to three decimals."""
    table = Table(box=None, header_style="bold")
    for position, name in enumerate(columns):
        numeric = any(_is_number(row[position]) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_words(value)) for value in row))
    console = Console(file=out, soft_wrap=not out.isatty())
    if not out.isatty():
        console.width = 10_000
    console.print(table)
    console.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", highlight=False)


def print_csv(columns: Sequence[str], rows: Rows, out: TextIO) -> None:
    """Comma separated values with a header; unknown values are empty."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in rows)


def print_json(columns: Sequence[str], rows: Rows, out: TextIO) -> None:
    """One JSON array with an object for each row."""
    records = [
        {name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in rows
    ]
    json.dump(records, out, indent=1, ensure_ascii=False)
    out.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
    if isinstance(value, float | Decimal):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(_plain(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
