"""The plant in its own process, reached over loopback as agents and the meter reader do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.twin.client import TwinConnection, TwinEngine, TwinGpus, TwinMeter
from integrations.twin.demo_site import demo_site
from integrations.twin.process import serve
from integrations.twin.site import dump_site
from orchestrator.domain.errors import (
    BallastError,
    EngineError,
    GpuError,
    MeterError,
    PortInUse,
    Unavailable,
)

COMMAND = [sys.executable, "-m", "integrations.twin.process", "--port"]


def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, words = process.communicate(timeout=10)
        raise AssertionError(words)
    return process, json.loads(line)["port"]


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    process.send_signal(number)
    _, words = process.communicate(timeout=10)
    assert process.returncode == 0, words
    return words


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    process, chosen = start("0", "--seed", "7")
    yield chosen
    assert stop(process) == ""


@pytest.fixture
def connection(port: int) -> Iterator[TwinConnection]:
    opened = TwinConnection("127.0.0.1", port)
    yield opened
    opened.close()


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.05)


def exchange(port: int, data: bytes, lines: int) -> list[dict[str, Any]]:
    with socket.create_connection(("127.0.0.1", port), 2.0) as raw:
        raw.sendall(data)
        with raw.makefile("rb") as file:
            return [json.loads(file.readline()) for _ in range(lines)]


def test_a_cap_written_through_the_face_is_read_back_and_seen_by_the_meter(
    connection: TwinConnection,
) -> None:
    gpus, meter = TwinGpus(connection, "node-01"), TwinMeter(connection, "node-01")
    cards = gpus.read()
    assert len(cards) == 8
    assert {(card.min_w, card.max_w, card.default_w) for card in cards} == {(200.0, 700.0, 700.0)}
    before = meter.read()
    assert before.limit_id == "node-01"
    for card in cards:
        gpus.set_limit_w(card.uuid, 250.0)
    assert {card.enforced_w for card in gpus.read()} == {250.0}
    eventually(lambda: meter.read().power_w < 1.05 * 8 * 250.0 + 1000.0 + 50.0)
    assert before.power_w > 4500.0
    assert gpus.read()[0].energy_j > cards[0].energy_j


def test_the_plant_follows_real_time(connection: TwinConnection) -> None:
    began, first = time.monotonic(), connection.call("truth")["time_s"]
    time.sleep(0.8)
    passed = connection.call("truth")["time_s"] - first
    assert passed == pytest.approx(time.monotonic() - began, abs=0.25)


def test_the_site_meter_is_fresh_and_dated_in_utc(connection: TwinConnection) -> None:
    reading = TwinMeter(connection).read()
    assert reading.limit_id == "facility"
    assert reading.measured_at.utcoffset() == timedelta(0)
    age = datetime.now(UTC) - reading.measured_at
    assert timedelta(0) <= age < timedelta(seconds=1)
    truth_w = connection.call("truth")["site_power_w"]
    assert reading.power_w == pytest.approx(truth_w, rel=0.03)


def test_a_batch_limit_drains_the_engine(connection: TwinConnection) -> None:
    engine = TwinEngine(connection, "node-04")
    before = engine.read()
    assert before.batch_limit == before.max_batch == 2048
    assert before.itl_p95_ms is not None
    engine.set_batch_limit(before.running - 200)
    eventually(lambda: engine.read().running <= before.running - 200, 10.0)
    assert engine.read().generation_tokens > before.generation_tokens
    engine.set_batch_limit(before.max_batch)


def test_a_killed_agent_leaves_its_cards_drawing_under_its_cap(
    port: int, connection: TwinConnection
) -> None:
    code = (
        "import sys, time; from integrations.twin.client import *;"
        "g = TwinGpus(TwinConnection('127.0.0.1', int(sys.argv[1])), 'node-02');"
        "[g.set_limit_w(card.uuid, 400.0) for card in g.read()]; print('set', flush=True);"
        "time.sleep(60)"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", code, str(port)], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == "set\n"
    agent.kill()
    agent.communicate(timeout=10)
    time.sleep(0.5)
    cards = TwinGpus(connection, "node-02").read()
    assert {card.enforced_w for card in cards} == {400.0}
    assert TwinMeter(connection, "node-02").read().power_w > 8 * 380.0


def test_a_rebooted_host_comes_back_at_its_default_limit_with_the_engine_down(
    connection: TwinConnection,
) -> None:
    gpus, engine = TwinGpus(connection, "node-03"), TwinEngine(connection, "node-03")
    for card in gpus.read():
        gpus.set_limit_w(card.uuid, 300.0)
    connection.call("reboot", node="node-03")
    assert {card.enforced_w for card in gpus.read()} == {700.0}
    with pytest.raises(EngineError, match="not up"):
        engine.read()
    with pytest.raises(EngineError, match="starting"):
        engine.set_batch_limit(64)


def test_each_face_raises_its_own_error(connection: TwinConnection) -> None:
    with pytest.raises(GpuError, match="outside 200-700"):
        TwinGpus(connection, "node-01").set_limit_w(
            TwinGpus(connection, "node-01").read()[0].uuid, 100.0
        )
    with pytest.raises(GpuError, match="node-99"):
        TwinGpus(connection, "node-99").read()
    with pytest.raises(EngineError, match="InvalidArgument"):
        TwinEngine(connection, "node-01").set_batch_limit(0)
    with pytest.raises(MeterError, match="rack-9"):
        TwinMeter(connection, "rack-9").read()
    with pytest.raises(Unavailable, match="UnknownOp"):
        connection.call("fly")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "BadRequest"),
        (b"[1]", "BadRequest"),
        (b"\xff\xfe", "BadRequest"),
        (b"[" * 5000, "BadRequest"),
        (b'{"op": 3}', "UnknownOp"),
        (b'{"op": "cards"}', "BadRequest"),
        (b'{"op": "cards", "node": "x"}', "NotFound"),
        (b'{"op": "set_batch_limit", "node": "node-01", "batch_limit": 8.5}', "BadRequest"),
    ],
)
def test_a_bad_line_gets_an_error_and_the_connection_goes_on(
    port: int, line: bytes, code: str
) -> None:
    bad, good = exchange(port, line + b'\n{"op": "meter"}\n', 2)
    assert bad["ok"] is False
    assert bad["error"]["code"] == code
    assert good["ok"] is True


@pytest.mark.parametrize("limit_w", ["NaN", "Infinity", "1e999", "true", '"300"', "9" * 400])
def test_a_limit_that_is_no_number_is_refused(port: int, limit_w: str) -> None:
    card = exchange(port, b'{"op": "cards", "node": "node-05"}\n', 1)[0]["cards"][0]
    request = (
        f'{{"op": "set_limit", "node": "node-05", "uuid": "{card["uuid"]}", "limit_w": {limit_w}}}'
    )
    assert exchange(port, request.encode() + b"\n", 1)[0]["error"]["code"] == "BadRequest"


def test_an_endless_line_ends_the_connection_and_nothing_else(
    port: int, connection: TwinConnection
) -> None:
    answers = exchange(port, b"x" * 70_000, 1)
    assert answers[0]["error"]["code"] == "BadRequest"
    assert connection.call("meter")["ok"]


def test_requests_in_flight_are_answered_in_order(port: int) -> None:
    answers = exchange(port, b'{"op": "meter", "limit_id": "rack-1"}\n{"op": "truth"}\n' * 50, 100)
    assert all("time_s" in answer for answer in answers[1::2])
    assert all(answer["limit_id"] == "rack-1" for answer in answers[::2])


def test_a_client_that_does_not_read_blocks_nobody(port: int, connection: TwinConnection) -> None:
    with socket.create_connection(("127.0.0.1", port), 2.0) as deaf:
        deaf.setblocking(False)
        try:
            for _ in range(2000):
                deaf.send(b'{"op": "truth"}\n' * 100)
        except BlockingIOError:
            pass
        began = time.monotonic()
        assert connection.call("meter")["ok"]
        assert time.monotonic() - began < 0.5


def test_a_client_finds_a_restarted_plant_again_by_itself() -> None:
    process, port = start("0")
    with closing(TwinConnection("127.0.0.1", port, timeout_s=0.5)) as connection:
        meter = TwinMeter(connection)
        assert meter.read().power_w > 0.0
        stop(process, signal.SIGINT)
        for _ in range(2):
            with pytest.raises(MeterError, match="no answer"):
                meter.read()
        again, _ = start(str(port))
        eventually(lambda: works(meter))
        stop(again)


def test_a_hung_plant_costs_a_client_its_timeout_and_no_more() -> None:
    process, port = start("0")
    with closing(TwinConnection("127.0.0.1", port, timeout_s=0.3)) as connection:
        meter = TwinMeter(connection)
        assert meter.read().power_w > 0.0
        os.kill(process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(MeterError, match="timed out"):
                meter.read()
            assert time.monotonic() - began < 0.8
        finally:
            os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: works(meter))
    stop(process)


def works(meter: TwinMeter) -> bool:
    try:
        return meter.read().power_w > 0.0
    except BallastError:
        return False


def test_a_port_in_use_is_named(port: int) -> None:
    with pytest.raises(PortInUse, match=str(port)):
        serve(demo_site(1), host="127.0.0.1", port=port)


def test_a_site_file_is_served(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(dump_site(demo_site(3)))
    process, port = start("0", "--site", str(path))
    connection = TwinConnection("127.0.0.1", port)
    assert connection.call("truth")["seed"] == 3
    connection.close()
    stop(process)
