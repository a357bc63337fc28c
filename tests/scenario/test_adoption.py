"""An operator adopts the site over the HTTP API: shadow, rack by rack, budgets, signals, events.

The tests follow one another on one site, which is in shadow at first.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.scenario.commands import query, until
from tests.scenario.live_site import NOISE, LiveSite

pytestmark = pytest.mark.timeout(120)

BUDGET_W = 58_000.0
CARBON_W = 56_000.0
SHARE = 0.15
"""Little enough that the lowest caps can meet it after the carbon hour, whose power is in the
baseline."""
LOCKED = "node-03"
FOLLOW_S = 15.0


@pytest.fixture
def budget(bare_site: LiveSite) -> Iterator[float]:
    """Give a budget that the site cannot keep without lower caps."""
    body = {"limit_id": "facility", "limit_w": BUDGET_W}
    bare_site.put("/budgets/all-day", body)
    bare_site.wait_ceiling(BUDGET_W)
    yield BUDGET_W
    bare_site.delete("/budgets/all-day")


def rack(number: int) -> list[str]:
    return [f"node-{index:02d}" for index in range(4 * number - 3, 4 * number + 1)]


def status_of(site: LiveSite, nodes: list[str]) -> set[str]:
    return {node["status"] for node in site.facility()["nodes"] if node["id"] in nodes}


def signal(kind: str, signal_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "source": "grid-operator",
        "id": signal_id,
        "issued_at": now.isoformat(),
        "expires_at": (now + timedelta(minutes=5)).isoformat(),
        "kind": kind,
        "payload": payload,
    }


def test_in_shadow_everything_is_decided_and_nothing_is_sent(
    bare_site: LiveSite, budget: float
) -> None:
    if bare_site.facility()["mode"] != "shadow":
        pytest.skip("another test has armed the site before")

    def decided() -> bool:
        targets_w = [node["target_w"] for node in bare_site.facility()["nodes"]]
        return all(targets_w) and min(targets_w) < 5000.0

    until(decided, 20.0, "targets below the nameplates")
    with bare_site.watch() as log:
        time.sleep(0.9)
        assert all(set(m.enforced_w.values()) == {5600.0} for m in log.moments)
    assert bare_site.facility()["raises_held_s"] < 8.0
    stored = "SELECT COUNT(*) AS n FROM decisions_explained WHERE shadow AND limit_w < 5000"
    until(lambda: query(bare_site.database, stored)[0]["n"] > 0, 5.0, "the decision is stored")
    assert query(bare_site.database, "SELECT COUNT(*) AS n FROM setpoints") == [{"n": 0}]


def test_armed_racks_move_and_the_others_and_a_locked_node_do_not(
    bare_site: LiveSite, budget: float
) -> None:
    if bare_site.facility()["mode"] != "shadow":
        pytest.skip("another test has armed the site before")
    bare_site.put(f"/nodes/{LOCKED}/lockout", {"reason": "a fan is being replaced"})
    free = [node for node in rack(1) if node != LOCKED]
    bare_site.arm("rack-1")
    until(lambda: status_of(bare_site, free) == {"following"}, 20.0, "rack 1 follows")
    until(lambda: bare_site.enforced_w()[free[0]] < 5600.0, 10.0, "rack 1 is capped")
    assert bare_site.facility()["mode"] == "partly armed"
    enforced_w = bare_site.enforced_w()
    assert {enforced_w[node] for node in [LOCKED, *rack(2), *rack(3)]} == {5600.0}
    assert bare_site.node(LOCKED)["status"] == "locked"
    assert bare_site.node(LOCKED)["charged_w"] == 5600.0

    bare_site.arm("rack-2")
    bare_site.arm("rack-3")
    until(lambda: status_of(bare_site, rack(3)) == {"following"}, 20.0, "rack 3 follows")
    bare_site.wait_power_under(budget, FOLLOW_S)
    assert bare_site.enforced_w()[LOCKED] == 5600.0
    sent = "SELECT COUNT(*) AS n FROM setpoints WHERE node = 'node-03'"
    assert query(bare_site.database, sent) == [{"n": 0}]

    bare_site.delete(f"/nodes/{LOCKED}/lockout")
    until(lambda: bare_site.enforced_w()[LOCKED] < 5600.0, FOLLOW_S, "the released node follows")


def test_power_follows_a_budget_down_and_comes_back_after_it(site: LiveSite) -> None:
    until(lambda: site.metered_w() > BUDGET_W, FOLLOW_S, "power above the budget to come")
    site.put("/budgets/lunch", {"limit_id": "facility", "limit_w": BUDGET_W})
    site.wait_power_under(BUDGET_W)
    site.wait_steady()
    facility = site.facility()
    assert facility["exposure_w"] <= facility["ceiling_w"] == BUDGET_W
    assert facility["metered_w"] > 0.85 * BUDGET_W
    assert "budget lunch" in facility["limits"][0]["reason"]
    site.delete("/budgets/lunch")
    until(lambda: site.metered_w() > 1.05 * BUDGET_W, FOLLOW_S, "power after the budget")


def test_carbon_above_the_threshold_lowers_the_ceiling_until_it_falls(site: LiveSite) -> None:
    contract_w = site.facility()["limits"][0]["contract_w"]
    site.put("/policy", {"carbon_above_g_per_kwh": 400.0, "carbon_limit_w": CARBON_W})
    site.post("/signals", signal("carbon", "hour-1", {"value": 380, "unit": "g/kWh"}))
    time.sleep(0.5)
    assert site.facility()["ceiling_w"] == contract_w
    site.post("/signals", signal("carbon", "hour-2", {"value": 520, "unit": "g/kWh"}))
    site.wait_ceiling(CARBON_W)
    site.wait_power_under(CARBON_W)
    site.post("/signals", signal("carbon", "hour-3", {"value": 300, "unit": "g/kWh"}))
    site.wait_ceiling(contract_w)
    until(lambda: site.metered_w() > 1.05 * CARBON_W, FOLLOW_S, "power after the carbon hour")


def test_a_cancelled_event_gives_power_back_up_to_its_baseline(site: LiveSite) -> None:
    until(lambda: site.metered_w() > CARBON_W, FOLLOW_S, "power before the event")
    created = site.post("/events", {"kind": "reduction", "value": SHARE, "duration_s": 300})
    key = f"{created['key']['source']}/{created['key']['id']}"
    until(lambda: site.facility()["events"] != [], 5.0, "the event stands")
    (event,) = site.facility()["events"]
    assert event["status"] == "active"
    assert event["limit_w"] == pytest.approx((1 - SHARE) * event["baseline_w"])
    site.wait_power_under(event["limit_w"])
    site.delete(f"/events/{key}")
    site.wait_ceiling(event["baseline_w"])
    until(lambda: site.metered_w() > 1.03 * event["limit_w"], FOLLOW_S, "power after the event")
    site.wait_steady()
    assert site.metered_w() <= event["baseline_w"] * (1 + NOISE)
    assert site.get("/events")[0]["status"] == "recovering"
