"""An agent that dies, and a host that reboots, while the utility has asked for less."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.scenario.commands import until
from tests.scenario.live_site import NOISE, LiveSite, PlantLog

pytestmark = pytest.mark.timeout(120)

HELD = "node-05"
TOLD = "node-06"
REBOOTED = "node-10"
OFFLINE_S = 5.0
REJOIN_S = 25.0


@pytest.fixture(scope="module")
def curtailed(bare_site: LiveSite) -> Iterator[tuple[LiveSite, float, PlantLog]]:
    """Give an armed site during a long event, its limit in watts, and a log of its plant."""
    bare_site.arm("facility")
    bare_site.wait_steady()
    with bare_site.watch() as log:
        time.sleep(0.9)
        limit_w, _ = bare_site.curtail(log, 300.0, 0.75)
        bare_site.wait_steady()
        yield bare_site, limit_w, log
    for event in bare_site.get("/events"):
        if event["status"] == "active":
            bare_site.delete(f"/events/{event['key']['source']}/{event['key']['id']}")


@pytest.mark.parametrize(
    ("node", "number"), [(HELD, signal.SIGKILL), (TOLD, signal.SIGTERM)], ids=["kill", "term"]
)
def test_a_dead_agents_cards_stay_and_its_watts_are_not_given_away(
    curtailed: tuple[LiveSite, float, PlantLog], node: str, number: signal.Signals
) -> None:
    site, limit_w, log = curtailed
    before, killed_s = site.node(node), time.monotonic()
    agent = site.processes.agents[node]
    agent.signal(number)
    assert agent.wait(10.0)
    until(lambda: site.node(node)["status"] == "silent", OFFLINE_S, "the node is silent")

    facility = site.facility()
    silent = site.node(node)
    assert silent["charged_w"] >= site.enforced_w()[node]
    assert silent["charged_w"] == pytest.approx(before["charged_w"])
    assert facility["exposure_w"] <= facility["ceiling_w"] + 0.5
    time.sleep(0.9)
    assert log.rises([node]) == [rise for rise in log.rises([node]) if rise.at_s < killed_s]
    others = sum(n["charged_w"] for n in site.facility()["nodes"] if n["id"] != node)
    assert others + silent["charged_w"] <= sum(n["charged_w"] for n in facility["nodes"]) + 0.5

    started_s = time.monotonic()
    site.processes.start_agent(node)
    until(lambda: site.node(node)["status"] == "following", REJOIN_S, "the agent is back")
    site.wait_steady()
    assert [r for r in log.rises([node]) if killed_s <= r.at_s < started_s] == []
    assert log.highest_w(killed_s, time.monotonic()) <= limit_w * (1 + NOISE)


def test_a_rebooted_host_without_a_boot_gate_is_charged_at_nameplate_and_made_room_for(
    curtailed: tuple[LiveSite, float, PlantLog],
) -> None:
    site, limit_w, log = curtailed
    agent, rebooted_s = site.processes.agents[REBOOTED], time.monotonic()
    agent.signal(signal.SIGKILL)
    assert agent.wait(10.0)
    site.plant("reboot", node=REBOOTED)
    assert site.enforced_w()[REBOOTED] == 5600.0

    until(lambda: site.node(REBOOTED)["charged_w"] == 5600.0, OFFLINE_S, "charged at nameplate")
    until(
        lambda: site.facility()["exposure_w"] <= site.facility()["ceiling_w"] + 0.5,
        10.0,
        "the others make room",
    )
    room_s = time.monotonic()
    time.sleep(0.9)
    until(lambda: time.monotonic() > rebooted_s + 12.0, 13.0, "the host has booted")
    assert site.enforced_w()[REBOOTED] == 5600.0
    assert log.highest_w(room_s, time.monotonic()) <= limit_w * (1 + NOISE)

    site.processes.start_agent(REBOOTED)
    until(lambda: site.node(REBOOTED)["status"] == "following", REJOIN_S, "the agent is back")
    site.wait_steady()
    assert site.enforced_w()[REBOOTED] < 5600.0
    assert log.highest_w(room_s, time.monotonic()) <= limit_w * (1 + NOISE)
