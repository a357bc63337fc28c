"""Brings a database to the schema that this code knows, or back."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

import migrations
from orchestrator.domain.errors import ConfigurationError, NewerDatabase
from orchestrator.store.engine import reading, writing

LOCK_KEY = 0x0BA11A57
MIGRATION_TIMEOUT = "10min"


def upgrade(engine: Engine) -> None:
    """Migrate to the newest schema; nothing happens if it is there already.

    Creates a SQLite file that only its owner may read. Raises NewerDatabase,
    DatabaseUnavailable.
    """
    _create_file(engine)
    _run(engine, lambda config: command.upgrade(config, "head"))


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate back to a revision, "base" for an empty database. Raises ConfigurationError."""
    _run(engine, lambda config: command.downgrade(config, revision))


def current(engine: Engine) -> str | None:
    """The revision that the database is at, None when it was never migrated."""
    with reading(engine) as connection:
        return _revision(connection)


def head() -> str:
    """The revision that this code needs."""
    return str(_scripts().get_current_head())


def check(engine: Engine) -> None:
    """Raise NewerDatabase or ConfigurationError unless the database is at head()."""
    present = current(engine)
    _check_known(present)
    if present != head():
        raise ConfigurationError(
            f"the database is at revision {present or 'none'}, this version needs {head()}; "
            "run ballast migrate"
        )


def _check_known(present: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if present is not None and present not in known:
        raise NewerDatabase(
            f"the database is at revision {present}, which this version of Ballast does not know; "
            "install the version that migrated it"
        )


def _run(engine: Engine, migrate: Callable[[Config], None]) -> None:
    with writing(engine) as connection:
        _take_turns(connection)
        _check_known(_revision(connection))
        config = _config()
        config.attributes["connection"] = connection
        try:
            migrate(config)
        except CommandError as error:
            raise ConfigurationError(f"cannot migrate: {error}") from error


def _take_turns(connection: Connection) -> None:
    """SQLite has one writer anyway; on PostgreSQL the second migration waits for the first."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MIGRATION_TIMEOUT}'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _create_file(engine: Engine) -> None:
    name = engine.url.database
    if engine.dialect.name == "sqlite" and name and name != ":memory:":
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
