"""The service dies in the middle of an event, and comes back."""

import signal
import time

import pytest

from tests.scenario.commands import query, until
from tests.scenario.live_site import NOISE, TTL_S, LiveSite

pytestmark = pytest.mark.timeout(150)

EVENT_S = 60.0
AWAY_S = 4.0
BACK_S = 40.0


def test_a_killed_service_raises_nothing_and_goes_on_with_the_event(site: LiveSite) -> None:
    with site.watch() as log:
        until(lambda: len(log.between(0.0, time.monotonic())) > 50, 8.0, "five seconds of power")
        calm_s = time.monotonic()
        before_w = log.highest_mean_w(0.0, calm_s)
        limit_w, ends_s = site.curtail(log, EVENT_S)
        site.wait_steady()
        (event,) = [e for e in site.get("/events") if e["status"] == "active"]
        epoch, killed_s = site.facility()["epoch"], time.monotonic()

        site.processes.service.signal(signal.SIGKILL)
        assert site.processes.service.wait(5.0)
        until(lambda: time.monotonic() > killed_s + AWAY_S, AWAY_S + 1, "the service is away")
        restarted_s = time.monotonic()
        site.processes.start_service()
        site.sign_in()

        facility = site.facility()
        assert facility["epoch"] > epoch
        assert facility["ceiling_w"] == pytest.approx(limit_w, abs=1.0)
        assert [e["key"] for e in facility["events"] if e["status"] == "active"] == [event["key"]]
        assert [e["key"] for e in site.get("/events")].count(event["key"]) == 1
        until(lambda: site.facility()["raises_held_s"] == 0.0, TTL_S + 2.0, "one ttl of waiting")
        site.wait_steady()
        assert time.monotonic() < ends_s, "the restart took longer than the event"
        until(lambda: time.monotonic() >= ends_s, EVENT_S, "the end of the event")

        assert log.rises(before_s=restarted_s + TTL_S) == [
            rise for rise in log.rises() if rise.at_s < killed_s
        ]
        assert log.highest_w(killed_s, ends_s) <= limit_w * (1 + NOISE)

        until(lambda: site.metered_w() > 1.15 * limit_w, BACK_S, "power after the event")
        site.wait_steady()
        time.sleep(0.9)
        after_w = log.highest_mean_w(ends_s, time.monotonic())
        assert after_w <= before_w * (1 + 2 * NOISE)

    view = "SELECT source, limit_w FROM events_delivered WHERE event_id = '{}'"
    (row,) = query(site.database, view.format(event["key"]["id"]))
    assert row["limit_w"] == pytest.approx(limit_w, abs=1.0)
