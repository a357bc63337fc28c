"""Real faults of real processes, under a limit that the site keeps before they come.

The tests follow one another on one site. Kills of the service and of one agent have files of
their own.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.bench.failover import faults
from orchestrator.bench.failover.leases import LeaseLog
from orchestrator.bench.failover.truth import PlantLog
from orchestrator.demo.facility import SITE
from orchestrator.demo.measure import mean_w
from tests.scenario.commands import until
from tests.scenario.live_site import NOISE, TTL_S, LiveSite

pytestmark = pytest.mark.timeout(120)

RAMP_S = 5.0
WATCHDOG_S = 6.0
FAIL_SAFE_W = 2000.0
BUSY = 0.93
BACK_S = 30.0


@dataclass(frozen=True, slots=True)
class Watched:
    """An armed site under a budget of limit_w, and what is written down of it."""

    site: LiveSite
    log: PlantLog
    leases: LeaseLog
    limit_w: float

    def kept(self, since_s: float, limit_w: float | None = None) -> None:
        """Fail if true power was above the limit since then, or a cap rose without a lease."""
        until(lambda: time.monotonic() > since_s + 1.0, RAMP_S + 2.0, "the limit counts")
        allowed_w = (limit_w or self.limit_w) * (1 + NOISE)
        assert self.log.highest_w(since_s, time.monotonic()) <= allowed_w
        rises = [rise for rise in self.log.rises() if rise.at_s >= since_s]
        time.sleep(0.9)  # the reports that go with the last of them
        assert self.leases.unleased(rises, TTL_S) == []

    def cut(self, fraction: float) -> tuple[float, float]:
        """Ask for less; returns the limit in watts and the second from which it counts."""
        limit_w = round(fraction * self.limit_w, 1)
        self.site.put("/budgets/cut", {"limit_id": "facility", "limit_w": limit_w})
        counts_s = time.monotonic() + RAMP_S
        self.site.wait_ceiling(limit_w)
        return limit_w, counts_s

    def busy(self) -> None:
        """Wait until the site uses what it may."""
        self.site.wait_ceiling(self.limit_w)
        self.site.wait_steady()
        until(lambda: self.site.metered_w() > BUSY * self.limit_w, BACK_S, "a busy site")


@pytest.fixture(scope="module")
def watched(bare_site: LiveSite) -> Iterator[Watched]:
    """Give an armed site that keeps a limit well below what it would draw."""
    bare_site.arm("facility")
    bare_site.wait_steady()
    with (
        bare_site.watch() as log,
        LeaseLog(SITE, bare_site.processes.service_address()) as leases,
    ):
        until(lambda: len(log.moments) > 20, 5.0, "two seconds of power")
        limit_w = round(0.85 * mean_w(log.between(0.0, time.monotonic())), 1)
        bare_site.put("/budgets/faults", {"limit_id": "facility", "limit_w": limit_w})
        bare_site.wait_ceiling(limit_w)
        bare_site.wait_power_under(limit_w)
        faults.copy_database(bare_site.processes)
        yield Watched(bare_site, log, leases, limit_w)
    bare_site.delete("/budgets/faults")


@pytest.fixture(autouse=True)
def steady(watched: Watched) -> Iterator[None]:
    """Begin busy, end without a cut."""
    watched.busy()
    yield
    if any(budget["id"] == "cut" for budget in watched.site.get("/budgets")):
        watched.site.delete("/budgets/cut")


def wait(seconds: float) -> None:
    ends_s = time.monotonic() + seconds
    until(lambda: time.monotonic() >= ends_s, seconds + 1.0, "time has passed")


def following(site: LiveSite) -> bool:
    return {node["status"] for node in site.facility()["nodes"]} == {"following"}


def test_a_service_that_stood_still_goes_on_and_nothing_rises_meanwhile(watched: Watched) -> None:
    epoch, since_s = watched.site.facility()["epoch"], time.monotonic()
    heal = faults.stop_service(watched.site.processes)
    wait(6.0)
    heal()
    watched.site.wait_steady()
    watched.kept(since_s)
    assert watched.site.facility()["epoch"] == epoch


def test_the_watchdog_of_an_agent_that_stands_still_tightens(watched: Watched) -> None:
    name, _ = faults.first_agent(watched.site.processes)
    heal = faults.stop_agent(watched.site.processes)
    try:
        limit_w, counts_s = watched.cut(0.9)
        within_s = RAMP_S + WATCHDOG_S
        until(lambda: watched.site.enforced_w()[name] <= FAIL_SAFE_W, within_s, "fail-safe")
        until(lambda: watched.site.node(name)["status"] == "silent", WATCHDOG_S, "silent")
    finally:
        heal()
    until(lambda: following(watched.site), BACK_S, "the agent follows again")
    watched.site.wait_steady()
    watched.kept(counts_s, limit_w)


def test_a_broker_that_is_killed_in_the_middle_of_a_cut_comes_back_and_so_does_the_cut(
    watched: Watched,
) -> None:
    pid = faults.broker_pid(watched.site.processes)
    faults.kill_broker(watched.site.processes)
    limit_w, counts_s = watched.cut(0.9)
    watched.site.wait_power_under(limit_w, RAMP_S)
    until(lambda: following(watched.site), BACK_S, "every agent follows again")
    watched.site.wait_steady()
    watched.kept(counts_s, limit_w)
    assert faults.broker_pid(watched.site.processes) != pid


def test_agents_that_all_die_and_start_at_once_raise_nothing_by_themselves(
    watched: Watched,
) -> None:
    since_s = time.monotonic()
    faults.kill_agents(watched.site.processes)()
    limit_w, counts_s = watched.cut(0.95)
    until(lambda: following(watched.site), BACK_S, "every agent follows again")
    watched.site.wait_steady()
    watched.kept(since_s)
    watched.kept(counts_s, limit_w)


def test_a_cut_arrives_while_the_disk_is_full_and_is_stored_afterwards(watched: Watched) -> None:
    site = watched.site
    heal = faults.fill_disk(site.processes)
    try:
        limit_w = round(0.9 * watched.limit_w, 1)
        site.processes.publish_event(limit_w, 20.0)
        counts_s = time.monotonic() + RAMP_S
        until(lambda: site.metered_w() <= limit_w, RAMP_S, "power under the event's limit")
        wait(RAMP_S)
        watched.kept(counts_s, limit_w)
    finally:
        heal()
    until(lambda: site.get("/events") != [], BACK_S, "the event is stored")
    (event,) = [e for e in site.get("/events") if e["limit_w"] == pytest.approx(limit_w, abs=1.0)]
    site.delete(f"/events/{event['key']['source']}/{event['key']['id']}")
    watched.kept(counts_s)
    site.wait_steady()


def test_a_restored_database_leads_above_every_epoch_that_agents_have_seen(
    watched: Watched,
) -> None:
    """The copy knows the epoch before the last restart: its next one has been used already."""
    site, since_s = watched.site, time.monotonic()
    faults.kill_service(site.processes)()
    site.sign_in()
    until(lambda: following(site), BACK_S, "every agent has heard of the new epoch")
    epoch = site.facility()["epoch"]
    faults.restore_copy(site.processes)()
    site.sign_in()
    until(lambda: site.facility()["epoch"] > epoch, 10.0, "an epoch that nobody has used")
    until(lambda: following(site), BACK_S, "every agent follows the new leader")
    site.wait_steady()
    watched.kept(since_s)
