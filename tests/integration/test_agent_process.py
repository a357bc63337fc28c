"""The agent as a process: fast down, caps that outlive it, and fail-safe after it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.messaging.embedded import EmbeddedBroker
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.shed import NodeTable, Shed
from tests.integration.agent_bench import (
    FAIL_SAFE_W,
    NODE,
    Agent,
    Desk,
    Plant,
    alive,
    eventually,
    start_broker,
)


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    found = Plant()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    found = start_broker(tmp_path_factory.mktemp("broker"))
    yield found
    found.stop()


@pytest.fixture
def desk(broker: EmbeddedBroker, plant: Plant) -> Iterator[Desk]:
    plant.reset()
    found = Desk(broker.port)
    yield found
    found.stop()


@pytest.fixture
def agent(tmp_path: Path, plant: Plant, broker: EmbeddedBroker, desk: Desk) -> Iterator[Agent]:
    found = Agent(tmp_path, plant, broker.port)
    yield found
    found.end(signal.SIGKILL)


def test_before_the_first_setpoint_an_agent_only_reports(
    agent: Agent, desk: Desk, plant: Plant
) -> None:
    before = plant.caps_w()
    heard = [desk.hears() for _ in range(3)][-1]
    assert heard.lease == "none"
    assert heard.power_w is not None
    assert heard.tok_s is not None
    assert heard.enforced_w == sum(before) == sum(plant.caps_w())
    eventually(lambda: "online" in desk.states and bool(desk.descriptions))
    assert desk.descriptions[-1].max_w == sum(before)
    assert desk.descriptions[-1].incarnation == heard.incarnation


def test_a_setpoint_brings_power_down_within_a_second_and_a_half(
    agent: Agent, desk: Desk, plant: Plant
) -> None:
    limit_w = 0.6 * plant.power_w()
    desk.send(limit_w)
    capped_s = eventually(lambda: sum(plant.caps_w()) <= limit_w, 1.5)
    settled_s = eventually(lambda: plant.power_w() <= limit_w * 1.02, 1.5 - capped_s)
    assert capped_s + settled_s < 1.5
    eventually(lambda: bool(desk.acks) and desk.acks[-1].accepted)
    eventually(lambda: desk.telemetry[-1].settled_s > 1.0)
    heard = desk.telemetry[-1]
    assert heard.lease == "held"
    assert heard.enforced_w is not None
    assert limit_w - 1.0 < heard.enforced_w <= limit_w
    assert heard.pending_w is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_stop_moves_a_cap_and_a_restart_comes_up_in_fail_safe(
    number: signal.Signals,
    agent: Agent,
    desk: Desk,
    plant: Plant,
    broker: EmbeddedBroker,
    tmp_path: Path,
) -> None:
    desk.send(4000.0)
    eventually(lambda: sum(plant.caps_w()) <= 4000.0)
    before = plant.caps_w()
    desk.states.clear()
    agent.end(number)
    assert agent.process.returncode == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    eventually(lambda: "offline" in desk.states)
    assert plant.caps_w() == before
    heard = desk.telemetry[-1]
    successor = Agent(tmp_path, plant, broker.port)
    try:
        eventually(lambda: sum(plant.caps_w()) <= FAIL_SAFE_W)
        eventually(lambda: desk.telemetry[-1].lease == "expired")
        assert desk.telemetry[-1].incarnation != heard.incarnation
        assert desk.telemetry[-1].highest_epoch == 1
        desk.send(3000.0)
        eventually(lambda: sum(plant.caps_w()) > FAIL_SAFE_W)
        assert sum(plant.caps_w()) <= 3000.0
    finally:
        successor.end()


def test_a_lease_that_nobody_renews_ends_in_fail_safe(
    agent: Agent, desk: Desk, plant: Plant
) -> None:
    desk.send(4000.0, ttl_s=1.5)
    eventually(lambda: sum(plant.caps_w()) <= 4000.0)
    eventually(lambda: sum(plant.caps_w()) <= FAIL_SAFE_W, 10.0)
    assert sum(plant.caps_w()) > FAIL_SAFE_W - 1.0


def test_a_shed_holds_below_the_lease_and_beyond_the_process(
    agent: Agent, desk: Desk, plant: Plant, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    desk.send(4000.0)
    eventually(lambda: sum(plant.caps_w()) <= 4000.0)
    shed, table = Shed(Fence(1, 5), 2, "abc", "d-2"), NodeTable(NODE, "abc", (3000.0, 2000.0))
    desk.shed(shed, table)
    eventually(lambda: sum(plant.caps_w()) <= 2000.0)
    eventually(lambda: desk.telemetry[-1].shed == shed.fence)
    agent.end(signal.SIGKILL)
    successor = Agent(tmp_path, plant, broker.port)
    try:
        eventually(lambda: desk.telemetry[-1].lease == "expired")
        desk.send(3000.0)
        eventually(lambda: desk.telemetry[-1].lease == "held")
        assert desk.telemetry[-1].limit_w == 2000.0
        assert sum(plant.caps_w()) <= 2000.0
    finally:
        successor.end()


def test_a_second_agent_of_the_same_node_is_refused(
    agent: Agent, desk: Desk, plant: Plant, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    desk.hears()
    words = Agent(tmp_path, plant, broker.port).process.communicate(timeout=10)[1]
    assert "another agent runs" in words
    assert words.count("\n") == 1


def test_the_watchdog_tightens_when_a_killed_agents_lease_is_over(
    desk: Desk, plant: Plant, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    agent = Agent(tmp_path, plant, broker.port, watchdog=True)
    try:
        desk.send(4000.0, ttl_s=2.5)
        eventually(lambda: sum(plant.caps_w()) <= 4000.0)
        (watchdog,) = agent.children()
        agent.end(signal.SIGKILL)
        assert sum(plant.caps_w()) > FAIL_SAFE_W
        eventually(lambda: sum(plant.caps_w()) <= FAIL_SAFE_W)
        assert sum(plant.caps_w()) > FAIL_SAFE_W - 1.0
        eventually(lambda: not alive(watchdog))
    finally:
        agent.end(signal.SIGKILL)


def test_the_watchdog_tightens_when_the_agent_stalls_and_ends_with_it(
    desk: Desk, plant: Plant, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    agent = Agent(tmp_path, plant, broker.port, watchdog=True, watchdog_stall_s=2.0)
    try:
        desk.send(4000.0)
        eventually(lambda: sum(plant.caps_w()) <= 4000.0)
        (watchdog,) = agent.children()
        stalled = desk.telemetry[-1].incarnation
        agent.process.send_signal(signal.SIGSTOP)
        eventually(lambda: sum(plant.caps_w()) <= FAIL_SAFE_W)
        agent.process.send_signal(signal.SIGCONT)
        eventually(lambda: desk.telemetry[-1].incarnation != stalled)
        assert desk.telemetry[-1].lease == "expired"
        desk.send(3000.0)
        eventually(lambda: sum(plant.caps_w()) > FAIL_SAFE_W)
        agent.end()
        assert agent.process.returncode == 0
        eventually(lambda: not alive(watchdog))
        assert sum(plant.caps_w()) > FAIL_SAFE_W
    finally:
        agent.end(signal.SIGKILL)
