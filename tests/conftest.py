"""Private instances of the outside programs, for every test that asks for one by name."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.programs import (
    SYSTEM_FOLDERS,
    Address,
    accepts_connections,
    free_port,
    require_program,
    running,
)

MARKERS_BY_FIXTURE = {
    "postgres_url": "postgres",
    "mosquitto": "mosquitto",
    "chromium_path": "chromium",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the service fixtures that it asks for."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        for name in MARKERS_BY_FIXTURE.keys() & asked:
            item.add_marker(MARKERS_BY_FIXTURE[name])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which services were not tested."""
    for report in terminalreporter.stats.get("skipped", []):
        if "is not installed" in str(report.longrepr):
            terminalreporter.write_line(f"NOT TESTED: {report.nodeid}", red=True, bold=True)


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root: name somebody else then."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _postgres_program(name: str) -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return require_program([name], [str(folder) for folder in versions])


def _version(folder: Path) -> float:
    return float(folder.parent.name)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Give an empty folder that the server's user owns and can reach."""
    yield from _server_folder()


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """Give the PostgreSQL server's own folder."""
    yield from _server_folder()


def _server_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ballast-test-"))
    try:
        user = _server_user()
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise_postgres(initdb: Path, folder: Path, password: str) -> Path:
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    user = _server_user()
    if user is not None:
        shutil.chown(password_file, user)
    data = folder / "data"
    command = [str(initdb), "-D", str(data), "-U", "ballast", "-A", "scram-sha-256"]
    command += ["--pwfile", str(password_file), "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        timeout=60,
        user=user,
        extra_groups=() if user else None,
    )
    return data


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_url(postgres_folder: Path) -> Iterator[str]:
    """Give the SQLAlchemy URL of a private PostgreSQL server, one for the whole run."""
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
    password, port = secrets.token_hex(16), free_port()
    data = _initialise_postgres(initdb, postgres_folder, password)
    location = f"ballast:{password}@127.0.0.1:{port}/postgres"
    command = [str(postgres), "-D", str(data), "-p", str(port), "-k", str(postgres_folder)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with running(
        command,
        lambda: _answers(f"postgresql://{location}"),
        log=postgres_folder / "server.log",
        user=_server_user(),
        stop_signal=signal.SIGINT,
    ):
        yield f"postgresql+psycopg://{location}"


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty database of the test's own."""
    server_url = postgres_url.replace("+psycopg", "")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Address]]:
    """Give a function that starts a private Mosquitto: `mosquitto(config_text) -> Address`."""
    program = require_program(["mosquitto"], SYSTEM_FOLDERS)
    with ExitStack() as brokers:

        def start(config: str = "allow_anonymous true") -> Address:
            address = Address("127.0.0.1", free_port())
            identity = ["user root"] if os.geteuid() == 0 else []
            file = tmp_path / f"mosquitto-{address.port}.conf"
            lines = [*identity, f"listener {address.port} {address.host}", config, ""]
            file.write_text("\n".join(lines))
            brokers.enter_context(
                running(
                    [str(program), "-c", str(file)],
                    lambda: accepts_connections(address),
                    log=file.with_suffix(".log"),
                )
            )
            return address

        yield start


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Give the path of an installed Chromium."""
    return require_program(["chromium", "chromium-browser", "google-chrome"])
