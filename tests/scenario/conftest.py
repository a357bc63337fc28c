"""Whole systems of real processes. Two demos run in the background of everything else here."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from orchestrator.demo.site_processes import Options, SiteProcesses
from tests.programs import (
    SYSTEM_FOLDERS,
    Address,
    accepts_connections,
    free_port,
    require_program,
    running,
)
from tests.scenario.commands import DemoRun, ballast, demo_in
from tests.scenario.live_site import RACKS, LiveSite

DEMO_S = 100
SHORT_DEMO_S = 45


@pytest.fixture(scope="module")
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """Give a module's own site in the state that tests before left it in: at first, in shadow."""
    site = LiveSite(tmp_path_factory.mktemp("site"))
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
def site(bare_site: LiveSite) -> LiveSite:
    """Give a site whose racks are armed and whose nodes all follow."""
    for rack in RACKS:
        bare_site.arm(rack)
    bare_site.wait_steady()
    return bare_site


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    """Give the demo's whole story; it takes more than two minutes."""
    run = demo_in(tmp_path_factory.mktemp("story"), free_port(), ["--for", str(DEMO_S)])
    yield run
    run.stop()


@pytest.fixture(scope="session")
def external_database_url(postgres_url: str) -> Iterator[str]:
    """Give an empty PostgreSQL database for the demo with external services."""
    server_url = postgres_url.replace("+psycopg", "")
    name = f"demo_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def external_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Address]]:
    """Give a Mosquitto with the files of `ballast broker-files`, and the demo's folder."""
    program = require_program(["mosquitto"], SYSTEM_FOLDERS)
    folder, address = tmp_path_factory.mktemp("external"), Address("127.0.0.1", free_port())
    plan = Options(folder / "demo", free_port(), 1, None, (address.host, address.port))
    config = SiteProcesses(plan).write_config(("127.0.0.1", 1))
    answer = ballast(
        "broker-files", folder / "mosquitto", "--config", config, "--port", address.port
    )
    assert answer.returncode == 0, answer.stderr
    with running(
        [str(program), "-c", str(folder / "mosquitto" / "mosquitto.conf")],
        lambda: accepts_connections(address),
        log=folder / "mosquitto.log",
    ):
        yield folder, address


@pytest.fixture(scope="session")
def external_run(
    external_database_url: str, external_broker: tuple[Path, Address]
) -> Iterator[DemoRun]:
    """Give a shorter demo on PostgreSQL and Mosquitto."""
    folder, address = external_broker
    options = ["--for", str(SHORT_DEMO_S), "--database", external_database_url]
    options += ["--broker", f"{address.host}:{address.port}"]
    run = demo_in(folder, free_port(), options)
    yield run
    run.stop()


@pytest.fixture(scope="session", autouse=True)
def early_starts(request: pytest.FixtureRequest) -> None:
    """Start what takes long before the first test, if a test of this run asks for it."""
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in sorted(asked & {"demo_run", "external_run"}):
        # What cannot be started is missed by the test that asked for it, not by all.
        with suppress(pytest.skip.Exception, pytest.fail.Exception):
            request.getfixturevalue(name)
