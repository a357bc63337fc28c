"""People may read everything and change nothing."""

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from orchestrator.domain.errors import ConfigurationError, InvalidInput
from orchestrator.store import rendering
from orchestrator.store.accounts import Audit
from orchestrator.store.engine import sqlite_url, writing
from orchestrator.store.query import SqlQuery, run_readonly
from orchestrator.store.rendering import sql_command
from tests.integration.store.records import NOON, after

CHANGES = [
    "DELETE FROM audit",
    "INSERT INTO audit (at, who, action, subject, detail) VALUES ('2026-01-01', '', '', '', '')",
    "WITH gone AS (DELETE FROM audit RETURNING *) SELECT * FROM gone",
    "DROP TABLE audit",
    "SELECT 1; DELETE FROM audit",
    "SELECT 1; COMMIT; DELETE FROM audit",
    "COMMIT",
    "PRAGMA query_only = OFF",
    "ATTACH DATABASE 'other.db' AS other",
    "COPY audit TO '/dev/null'",
    "EXPLAIN ANALYZE DELETE FROM audit",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "",
]


@pytest.fixture
def audited(engine: Engine) -> Engine:
    """Give a database with three lines of audit, one of which is hard to print."""
    audit = Audit(engine)
    for second, subject in enumerate(("night", 'a,"b"\n[red]', "é")):
        audit.add(after(second), "ann", "budget.set", subject)
    return engine


@pytest.mark.parametrize("sql", CHANGES)
def test_changes_are_refused_and_change_nothing(audited: Engine, sql: str) -> None:
    """Whatever is not one query is refused, and the audit is as it was."""
    with pytest.raises(InvalidInput):
        run_readonly(audited, sql, 10)
    assert len(Audit(audited).list()) == 3


@pytest.mark.parametrize("sql", ["SELECT nothing FROM audit", "SELECT * FROM nowhere", "SELECT ("])
def test_errors_in_sql_are_explained(audited: Engine, sql: str) -> None:
    with pytest.raises(InvalidInput, match=r"SQL: .+"):
        run_readonly(audited, sql, 10)


def test_rows_are_bounded_and_moments_typed(audited: Engine) -> None:
    """No more than max_rows rows come back; moments are UTC on either database."""
    sql = "-- the first two\nSELECT id, at, who FROM audit ORDER BY id"
    columns, rows = run_readonly(audited, sql, 2)
    assert columns == ["id", "at", "who"]
    assert rows == [(1, NOON, "ann"), (2, after(1), "ann")]
    assert run_readonly(audited, "SELECT 1 AS one", 9) == (
        ["one"],
        [(1,)],
    )


def test_our_own_queries_take_moments(audited: Engine) -> None:
    """A datetime parameter compares rightly on either database."""
    sql = "SELECT subject, at FROM audit WHERE at > :since AND who = :who ORDER BY at"
    rows = SqlQuery(audited).rows(sql, {"since": NOON, "who": "ann"})
    assert [row["at"] for row in rows] == [after(1), after(2)]


def test_the_command_prints_csv_json_and_a_table(audited: Engine) -> None:
    """The three forms hold the same cells, however hard to print."""
    url = audited.url.render_as_string(hide_password=False)
    sql = "SELECT at, subject, 0.5 AS share, NULL AS unknown FROM audit ORDER BY id"
    printed = {}
    for form, flags in {
        "csv": (True, False),
        "json": (False, True),
        "table": (False, False),
    }.items():
        out = io.StringIO()
        sql_command(url, sql, *flags, out)
        printed[form] = out.getvalue()
    header, _, second, _ = csv.reader(io.StringIO(printed["csv"]))
    assert header == ["at", "subject", "share", "unknown"]
    assert second == ["2026-03-14T12:00:01+00:00", 'a,"b"\n[red]', "0.5", ""]
    assert json.loads(printed["json"])[1] == {
        "at": "2026-03-14T12:00:01+00:00",
        "subject": 'a,"b"\n[red]',
        "share": 0.5,
        "unknown": None,
    }
    assert "2026-03-14 12:00:01+00:00" in printed["table"]
    assert "[red]" in printed["table"]
    assert printed["table"].endswith("3 rows\n")


def test_too_many_rows_are_refused(audited: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is whole or not at all."""
    monkeypatch.setattr(rendering, "MAX_ROWS", 2)
    url = audited.url.render_as_string(hide_password=False)
    with pytest.raises(InvalidInput, match="more than 2 rows"):
        sql_command(url, "SELECT * FROM audit", False, False, io.StringIO())


def test_a_missing_sqlite_file_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "ballast.db"
    with pytest.raises(ConfigurationError, match="no database"):
        sql_command(sqlite_url(str(path)), "SELECT 1", False, False, io.StringIO())
    assert not path.exists()


def test_a_query_sees_what_a_writer_has_committed(audited: Engine) -> None:
    """A writer at work neither blocks a query nor shows it half of its work."""
    with writing(audited) as connection:
        connection.execute(text("DELETE FROM audit"))
        _, rows = run_readonly(audited, "SELECT COUNT(*) FROM audit", 9)
    assert rows == [(3,)]
