"""One schema, the same on both databases, up and down."""

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, update

from orchestrator.domain.errors import ConfigurationError, DatabaseUnavailable, NewerDatabase
from orchestrator.store import migrate
from orchestrator.store.columns import metadata
from orchestrator.store.describe import reference
from orchestrator.store.engine import open_engine, sqlite_url, writing
from orchestrator.store.models import Models
from orchestrator.store.record_tables import leadership
from orchestrator.store.signals import Signals
from orchestrator.store.tables import users
from orchestrator.store.topologies import Topologies
from orchestrator.store.views import VIEWS
from tests.integration.store.records import FRONTIER, NOON, TOPOLOGY, signal

ROOT = Path(__file__).resolve().parents[3]


def test_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    """Tables that the migrations make and tables that the code describes do not differ."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_views_have_the_columns_that_are_documented(engine: Engine) -> None:
    """Every view has the documented columns in their order, and no view is undocumented."""
    inspector = inspect(engine)
    found = {
        name: [column["name"] for column in inspector.get_columns(name)]
        for name in inspector.get_view_names()
    }
    assert found == {view.name: list(view.columns) for view in VIEWS}


def test_going_down_a_step_keeps_the_data_of_the_others(engine: Engine) -> None:
    """Down to the settings and up again: settings stay, records start anew."""
    Topologies(engine).put(TOPOLOGY, NOON)
    Signals(engine).add(signal(), b"{}", "http", NOON)
    migrate.downgrade(engine, "0001")
    assert migrate.current(engine) == "0001"
    assert not inspect(engine).has_table("signals")
    migrate.upgrade(engine)
    migrate.check(engine)
    assert Topologies(engine).current() == TOPOLOGY
    assert Signals(engine).list() == []


def test_views_can_be_replaced_without_touching_records(engine: Engine) -> None:
    """Down by the views alone and up again loses nothing."""
    Signals(engine).add(signal(), b"{}", "http", NOON)
    migrate.downgrade(engine, "0002")
    assert inspect(engine).get_view_names() == []
    migrate.upgrade(engine)
    assert [stored.signal for stored in Signals(engine).list()] == [signal()]


def test_models_of_an_older_version_came_from_profiles(engine: Engine) -> None:
    """Down and up again by the step that records where models came from: they stay, unrefused."""
    models = Models(engine)
    sha256 = models.add_samples("chat", "csv", simulated=True, at=NOON)
    models.add_model(
        FRONTIER, FRONTIER, samples_sha256=sha256, recipe={}, metrics={}, simulated=True, at=NOON,
        origin="telemetry", refused="worse",
    )  # fmt: skip
    migrate.downgrade(engine, "0003")
    assert {"origin", "refused"}.isdisjoint(
        c["name"] for c in inspect(engine).get_columns("models")
    )
    migrate.upgrade(engine)
    (kept,) = models.versions()
    assert (kept.version, kept.origin, kept.refused) == ("chat-1", "profile", None)


def test_down_to_nothing_leaves_nothing(engine: Engine) -> None:
    """A downgrade to base removes every table and view."""
    migrate.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    assert migrate.current(engine) is None


def test_a_repeated_upgrade_changes_nothing(engine: Engine) -> None:
    """Upgrading at every start is harmless."""
    with writing(engine) as connection:
        connection.execute(update(leadership).values(epoch=7))
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(select(leadership.c.epoch)).scalar() == 7


def test_a_database_behind_names_the_command(bare: Engine) -> None:
    """A database that was never migrated is refused with what to do."""
    with pytest.raises(ConfigurationError, match="run ballast migrate"):
        migrate.check(bare)
    with pytest.raises(DatabaseUnavailable, match="run ballast migrate"):
        Signals(bare).list()


def test_a_newer_database_is_refused_and_left_alone(engine: Engine) -> None:
    """A revision that this code does not know is neither used nor migrated."""
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for use in (migrate.check, migrate.upgrade):
        with pytest.raises(NewerDatabase, match="9999"):
            use(engine)
    assert migrate.current(engine) == "9999"


def test_a_migration_that_fails_leaves_nothing_behind(bare: Engine) -> None:
    """When a later step fails, the earlier steps of the same run are taken back."""
    with writing(bare) as connection:
        connection.exec_driver_sql("CREATE TABLE leadership (unexpected INTEGER)")
    with pytest.raises(DatabaseUnavailable, match="already exists"):
        migrate.upgrade(bare)
    assert not inspect(bare).has_table(users.name)
    assert migrate.current(bare) is None


def test_only_the_owner_may_read_a_new_sqlite_file(tmp_path: Path) -> None:
    """The file holds hashes of passwords."""
    path = tmp_path / "data" / "ballast.db"
    engine = open_engine(sqlite_url(str(path)))
    migrate.upgrade(engine)
    engine.dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_documentation_is_what_the_code_says() -> None:
    """docs/sql.md ends with every table and view as they are."""
    assert (ROOT / "docs/sql.md").read_text("utf-8").endswith(reference() + "\n")
