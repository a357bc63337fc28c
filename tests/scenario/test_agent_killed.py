"""An agent that dies, and a host that reboots, while the utility has asked for less."""

import signal
import time
from collections.abc import Iterator

import pytest

from orchestrator.bench.failover.truth import PlantLog
from tests.scenario.commands import until
from tests.scenario.live_site import NOISE, LiveSite

pytestmark = pytest.mark.timeout(120)

HELD = "node-05"
TOLD = "node-06"
REBOOTED = "node-12"
FAIL_SAFE_W = 2000.0
FRACTION = 0.75
"""Of what the site draws."""
OFFLINE_S = 5.0
ROOM_S = 10.0
REJOIN_S = 25.0


@pytest.fixture(scope="module")
def curtailed(bare_site: LiveSite) -> Iterator[tuple[LiveSite, float, PlantLog]]:
    """Give an armed site during a long event, its limit in watts, and a log of its plant."""
    bare_site.arm("facility")
    bare_site.wait_steady()
    with bare_site.watch() as log:
        time.sleep(0.9)
        limit_w, _ = bare_site.curtail(log, 300.0, FRACTION)
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

    held_w = max(before["charged_w"], FAIL_SAFE_W)
    until(site.keeps_ceiling, ROOM_S, "the others have made room")
    time.sleep(0.9)
    assert site.keeps_ceiling()
    assert site.node(node)["charged_w"] == pytest.approx(held_w)
    assert site.enforced_w()[node] <= before["charged_w"]

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
    rebooted_s = time.monotonic()
    site.reboot_host(REBOOTED)
    assert site.enforced_w()[REBOOTED] == 5600.0

    until(lambda: site.node(REBOOTED)["charged_w"] == 5600.0, OFFLINE_S, "charged at nameplate")
    until(site.keeps_ceiling, ROOM_S, "the others have made room")
    room_s = time.monotonic()
    time.sleep(0.9)
    until(lambda: time.monotonic() > rebooted_s + 12.0, 13.0, "the host has booted")
    assert site.enforced_w()[REBOOTED] == 5600.0
    assert log.highest_w(room_s, time.monotonic()) <= limit_w * (1 + NOISE)

    site.processes.start_agent(REBOOTED)
    until(lambda: site.node(REBOOTED)["status"] == "following", REJOIN_S, "the agent is back")
    until(lambda: site.enforced_w()[REBOOTED] < 5600.0, REJOIN_S, "it has a target again")
    site.wait_steady()
    assert log.highest_w(room_s, time.monotonic()) <= limit_w * (1 + NOISE)
