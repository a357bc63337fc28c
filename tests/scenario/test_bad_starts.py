"""What cannot be started says why in one line, with status 1 or 2, and changes nothing."""

import json
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.programs import free_port
from tests.scenario.commands import AGENT, BALLAST, ballast, until

Config = dict[str, Any]

NODE = {
    "id": "node-1",
    "limit": "rack-1",
    "deployment": "llama",
    "cards": 8,
    "nameplate_w": 5600.0,
    "min_w": 1600.0,
    "fail_safe_w": 2000.0,
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give a configuration that works: one rack with one node."""
    rack = {"id": "rack-1", "kind": "rack", "parent": "site", "limit_w": 8000.0}
    return {
        "site": "hall-1",
        "data_dir": str(tmp_path / "data"),
        "http": {"port": free_port()},
        "broker": {"mode": "embedded", "port": free_port()},
        "topology": {
            "firm_limit_w": 5000.0,
            "limits": [{"id": "site", "kind": "facility", "limit_w": 10_000.0}, rack],
            "nodes": [NODE],
        },
    }


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Give a port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def written(config: Config) -> Path:
    path = Path(config["data_dir"]).parent / "ballast.json"
    path.write_text(json.dumps(config))
    return path


def refused(answer: subprocess.CompletedProcess[str], words: str, status: int = 2) -> None:
    """The command failed with one line that says why."""
    assert answer.returncode == status, answer.stderr
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert words in answer.stderr


def set_unknown(config: Config) -> None:
    config["control"] = {"tik_s": 1.0}


def drop_firm_limit(config: Config) -> None:
    del config["topology"]["firm_limit_w"]


def lower_firm_limit(config: Config) -> None:
    config["topology"]["firm_limit_w"] = 2000.0


def close_cycle(config: Config) -> None:
    limits = config["topology"]["limits"]
    limits[1]["parent"] = "row-1"
    limits.append({"id": "row-1", "kind": "pdu", "parent": "rack-1", "limit_w": 9000.0})


def meter_nowhere(config: Config) -> None:
    config["meters"] = [{"limit_id": "rack-9", "source": "twin:127.0.0.1:9100"}]


def lose_key(config: Config) -> None:
    key = {"kid": "k", "isv": "utility", "public_key": "/nonexistent.pem"}
    config["dsx"] = {"trusted": [key]}


@pytest.mark.parametrize(
    ("spoil", "words", "status"),
    [
        (set_unknown, "control.tik_s", 2),
        (drop_firm_limit, "firm_limit_w", 2),
        (lower_firm_limit, "fail-safe is not affordable", 1),
        (close_cycle, "cycle", 2),
        (meter_nowhere, "rack-9", 2),
        (lose_key, "/nonexistent.pem", 2),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_configuration_that_makes_no_sense_is_refused(
    config: Config, spoil: Callable[[Config], None], words: str, status: int
) -> None:
    spoil(config)
    refused(ballast("serve", "--config", written(config)), words, status)


def test_a_brokers_port_in_use_is_named(config: Config, taken_port: int) -> None:
    config["broker"]["port"] = taken_port
    refused(ballast("serve", "--config", written(config)), str(taken_port))


def test_a_second_service_by_mistake_takes_nothing_over(config: Config, taken_port: int) -> None:
    config["http"]["port"] = taken_port
    refused(ballast("serve", "--config", written(config)), str(taken_port))
    assert not Path(config["data_dir"]).exists()


def test_a_database_of_a_newer_version_is_left_alone(config: Config) -> None:
    path = written(config)
    assert ballast("migrate", "--config", path).returncode == 0
    database = Path(config["data_dir"]) / "ballast.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r9999'")
        connection.commit()
    refused(ballast("serve", "--config", path), "r9999")
    refused(ballast("migrate", "--config", path), "r9999")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("r9999",)]


def test_sql_reads_only(config: Config) -> None:
    path = written(config)
    assert ballast("migrate", "--config", path).returncode == 0
    refused(ballast("sql", "DELETE FROM decisions", "--config", path), "SELECT")
    refused(ballast("sql", "SELECT * FROM nowhere", "--config", path), "nowhere")
    refused(ballast("sql", "SELECT 1", "--url", "oracle://somewhere"), "oracle")
    assert ballast("sql", "SELECT 1 AS one", "--config", path, "--csv").stdout == "one\n1\n"


def test_wrong_options_are_named(config: Config, taken_port: int, tmp_path: Path) -> None:
    for arguments, words in (
        (["serve", "--colour"], "--colour"),
        (["demo", "--for", "5"], "--for"),
        (["fly"], "fly"),
    ):
        answer = ballast(*arguments)
        assert answer.returncode == 2
        assert words in answer.stderr
        assert "Traceback" not in answer.stderr
    refused(ballast("demo", "--broker", "here", "--data-dir", tmp_path), "HOST:PORT")
    refused(ballast("demo", "--port", taken_port, "--data-dir", tmp_path), str(taken_port))
    refused(ballast("serve", "--config", tmp_path / "none.toml"), "none.toml")
    refused(ballast("serve", "--config", written(config), BALLAST_COLOUR="red"), "BALLAST_COLOUR")


def test_an_agent_names_what_is_missing_and_what_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('site = "hall-1"\ncolour = "red"\n')
    answer = ballast("run", "--config", path, program=AGENT)
    refused(answer, "fail_safe_w")
    assert "colour" in answer.stderr


def test_without_its_external_broker_the_service_serves_and_keeps_trying(config: Config) -> None:
    port = free_port()
    config["broker"] = {"mode": "external", "port": port}
    path = written(config)
    log = path.with_suffix(".log")
    with log.open("wb") as output:
        command = [str(BALLAST), "serve", "--config", str(path)]
        service = subprocess.Popen(command, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{config['http']['port']}"
    try:
        until(lambda: "serving" in log.read_text(), 30.0, "the service serves")
        assert f"no MQTT broker answers at mqtt://127.0.0.1:{port}" in log.read_text()
        password = (Path(config["data_dir"]) / "secrets" / "admin").read_text()
        with httpx.Client(base_url=f"{url}/api/v1", timeout=10.0) as http:
            body = {"user": "admin", "password": password}
            token = http.post("/session", json=body).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            budget = {"limit_id": "site", "limit_w": 9000.0}
            assert http.put("/budgets/all-day", json=budget).is_success
            until(lambda: http.get("/facility").json()["ceiling_w"] == 9000.0, 5.0, "the budget")
        with socket.create_server(("127.0.0.1", port)) as broker:
            broker.settimeout(20.0)
            broker.accept()[0].close()
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(15.0) == 0
