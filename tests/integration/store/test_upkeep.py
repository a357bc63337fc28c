"""Old samples go, records stay; a database that is away is called unavailable, in bounded time."""

import contextlib
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from orchestrator.domain.errors import DatabaseUnavailable, InvalidInput
from orchestrator.store.decisions import Decisions
from orchestrator.store.engine import open_engine, reading, sqlite_url, writing
from orchestrator.store.events import Events
from orchestrator.store.inserts import insert_or_ignore
from orchestrator.store.ledger import SqlLedger
from orchestrator.store.record_tables import meter_samples, node_samples
from orchestrator.store.retention import purge
from orchestrator.store.signals import Signals
from tests.integration.store.records import KEY, NOON, decision, event, signal
from tests.programs import free_port


def keep_days_of_samples(engine: Engine, days: int) -> None:
    """Store one meter sample an hour for some days before noon."""
    rows = [
        {"limit_id": "site", "at": NOON - timedelta(hours=hour), "power_w": 1.0}
        for hour in range(24 * days)
    ]
    with writing(engine) as connection:
        insert_or_ignore(connection, meter_samples, rows)


def test_only_old_samples_are_deleted(engine: Engine) -> None:
    """Batches of any size delete all that is old, and nothing but samples."""
    keep_days_of_samples(engine, 3)
    Signals(engine).add(signal(), b"", "http", NOON)
    Events(engine).put(event())
    Decisions(engine).add(decision(), 1)
    later = NOON + timedelta(days=365)
    assert purge(engine, NOON, 1.0, batch_rows=7)["meter_samples"] == 24 * 2 - 1
    assert purge(engine, NOON, 1.0)["meter_samples"] == 0
    assert purge(engine, later, 1.0)["meter_samples"] == 25
    assert len(Signals(engine).list()) == len(Events(engine).list()) == 1
    assert Decisions(engine).get("d-1") == decision()
    assert Events(engine).get(KEY) == event()


def test_a_purge_can_be_stopped(engine: Engine) -> None:
    """When the service ends, the batch under way is the last."""
    keep_days_of_samples(engine, 3)
    answers = iter([False, True, True, True])
    deleted = purge(engine, NOON, 1.0, stopping=lambda: next(answers), batch_rows=7)
    assert sum(deleted.values()) == 7


@pytest.mark.parametrize("keep_days", [0.0, -1.0, float("nan")])
def test_nobody_deletes_everything_by_mistake(engine: Engine, keep_days: float) -> None:
    with pytest.raises(InvalidInput):
        purge(engine, NOON, keep_days)


def test_a_server_that_is_away_is_unavailable_at_once(tmp_path: Path) -> None:
    """Neither a refused connection nor a missing folder waits or leaks a foreign error."""
    urls = [
        f"postgresql+psycopg://ballast:secret@127.0.0.1:{free_port()}/ballast",
        sqlite_url(str(tmp_path / "missing" / "ballast.db")),
    ]
    for url in urls:
        engine = open_engine(url)
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as away:
            SqlLedger(engine, "a", lambda: NOON).take_over()
        assert time.monotonic() - started < 5.0
        assert "secret" not in str(away.value)
        engine.dispose()


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    """An error in the block takes back what was written before it."""
    row = {"node": "n", "at": NOON, "lease": "none"}
    with contextlib.suppress(ZeroDivisionError), writing(engine) as connection:
        insert_or_ignore(connection, node_samples, [row])
        _ = 1 / 0
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(node_samples)).scalar() == 0


def test_sqlite_survives_a_power_cut_and_checks_references(tmp_path: Path) -> None:
    """Every connection writes ahead, flushes on commit, and enforces foreign keys."""
    engine = open_engine(sqlite_url(str(tmp_path / "ballast.db")))
    found = {}
    with reading(engine) as connection:
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            found[pragma] = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
    engine.dispose()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_postgres_bounds_every_statement_and_lock(postgres_database_url: str) -> None:
    """The session carries its time limits and thinks in UTC."""
    engine = open_engine(postgres_database_url)
    found = {}
    with reading(engine) as connection:
        for setting in ("statement_timeout", "lock_timeout", "timezone"):
            found[setting] = connection.exec_driver_sql(f"SHOW {setting}").scalar()
    engine.dispose()
    assert found == {"statement_timeout": "10s", "lock_timeout": "5s", "timezone": "UTC"}
