"""Opens the database and keeps its errors, its locks and its waits at this border."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.domain.errors import (
    ConfigurationError,
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
)

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 5
WRITES = "ballast_writes"


def sqlite_url(path: str) -> str:
    """The URL of a SQLite database in a file."""
    return f"sqlite:///{path}"


def open_engine(url: str) -> Engine:
    """Prepare to use a database; nothing is connected yet.

    url: sqlite:///path/ballast.db or postgresql+psycopg://user:password@host/name.
    Raises ConfigurationError for any other.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername == "sqlite":
            return _open_sqlite(str(parsed))
        if parsed.drivername == "postgresql+psycopg":
            return _open_postgres(parsed.render_as_string(hide_password=False))
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigurationError("the database URL cannot be read; see docs/sql.md") from error
    raise ConfigurationError(
        f"database {parsed.drivername!r} is not supported; "
        "use sqlite:///path or postgresql+psycopg://user:password@host/name"
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into Ballast's."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"the database refused it: {error.orig}") from error
    except DataError as error:
        raise InvalidInput(f"the database cannot hold it: {error.orig}") from error
    except DBAPIError as error:
        raise DatabaseUnavailable(f"the database failed: {_words(error)}") from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("no connection to the database became free in time") from error
    except StatementError as error:
        raise InvalidInput(f"the database cannot hold it: {error.orig}") from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for queries, all on one state of the database. Raises DatabaseUnavailable."""
    with translated(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, committed at the end of the block unless it raises.

    Raises DatabaseUnavailable, Conflict when a constraint refuses it, InvalidInput for values
    that the columns cannot hold.
    """
    with translated(), engine.connect() as connection:
        connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection


def _words(error: DBAPIError) -> str:
    reason = str(error.orig).strip().partition("\n")[0]
    if "no such table" in reason or 'relation "' in reason:
        return f"{reason}; run ballast migrate"
    return reason


def _open_sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": LOCK_TIMEOUT_S},
        pool_timeout=CONNECT_TIMEOUT_S,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions would begin late and could not wait for a lock.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgres(url: str) -> Engine:
    options = {
        "timezone": "UTC",
        "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": "30s",
    }
    return create_engine(
        url,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": 1000 * STATEMENT_TIMEOUT_S,
            "application_name": "ballast",
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
    )
