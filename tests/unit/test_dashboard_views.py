"""What the pages derive from the API's answers."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from dashboards.web.breach_list import breach_row
from dashboards.web.charts import event_areas
from dashboards.web.decision_list import decision_row
from dashboards.web.event_form import event_body, start_time
from dashboards.web.figures import figures_of
from dashboards.web.formats import zone
from dashboards.web.limits import in_order, racks
from dashboards.web.pages.decision import target_rows
from dashboards.web.pages.nodes import EVERY_STATUS, matches
from dashboards.web.records import (
    BreachView,
    DecisionSummary,
    LimitView,
    NodeView,
    Outcome,
    Snapshot,
)
from tests.browser.fake_site import FakeSite

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def moment(site: FakeSite, at: datetime = NOW, **changes: Any) -> Snapshot:
    return cast("Snapshot", site.snapshot(at) | changes)


def reduced() -> FakeSite:
    site = FakeSite(NOW)
    site.add_event({"kind": "reduction", "value": 0.3, "duration_s": 60}, NOW)
    return site


def test_a_breach_whose_meter_is_silent_says_so() -> None:
    breach: BreachView = {
        "limit_id": "site", "started_at": NOW.isoformat(), "status": "critical", "worst_w": 1500.0,
        "excess_ws": 9000.0, "cause": "contract limit", "measured": True, "known": False,
    }  # fmt: skip
    row = breach_row(breach)
    assert row["worst"] == "1.500 kW metered"
    assert row["cause"] == "contract limit; its meter is silent, nothing is known"


def test_without_an_event_nothing_is_said_to_be_delivered() -> None:
    figures = figures_of(moment(FakeSite(NOW)))
    assert figures["event"].value == "none"
    assert figures["delivered"].value == "–"


def test_an_active_event_counts_down_and_shows_what_it_delivers() -> None:
    figures = figures_of(moment(reduced(), NOW + timedelta(seconds=20)))
    assert figures["event"].value == "0:40"
    assert figures["event"].note == "operator/event-1"
    assert figures["delivered"].note.endswith("% of what was asked")


def test_a_missing_meter_is_not_a_headroom() -> None:
    figures = figures_of(moment(FakeSite(NOW), metered_w=None))
    assert figures["metered"].value == figures["headroom"].value == "–"
    assert figures["metered"].note == "no fresh meter reading"


def test_power_above_the_ceiling_is_marked() -> None:
    figures = figures_of(moment(FakeSite(NOW), metered_w=70e3))
    assert figures["metered"].tone == figures["headroom"].tone == "bad"


def test_limits_follow_their_parents_whatever_their_order() -> None:
    limits = moment(FakeSite(NOW))["limits"]
    ordered = [(limit["id"], depth) for limit, depth in in_order(reversed(limits))]
    assert ordered[0] == ("site", 0)
    depths = dict(ordered)
    assert depths == {
        "site": 0, "pdu-a": 1, "pdu-b": 1, "rack-a1": 2, "rack-a2": 2, "rack-b1": 2
    }  # fmt: skip
    seen = [name for name, _ in ordered]
    assert all(x["parent"] is None or seen.index(x["parent"]) < seen.index(x["id"]) for x in limits)


def test_racks_are_the_limits_that_nodes_hang_on() -> None:
    assert racks(moment(FakeSite(NOW))) == ["rack-a1", "rack-a2", "rack-b1"]


def test_event_areas_end_now_and_stay_inside_the_window() -> None:
    at = NOW + timedelta(minutes=8)
    now_ms = round(at.timestamp() * 1000)
    site = FakeSite(NOW)
    site.add_event({"kind": "limit", "value": 40, "duration_s": 3600}, NOW)
    spans = sorted((a[0]["xAxis"], a[1]["xAxis"]) for a in event_areas(moment(site, at)))
    assert spans == [
        (now_ms - 15 * 60_000, now_ms - 14 * 60_000),
        (now_ms - 8 * 60_000, now_ms),
    ]


def test_a_decision_names_the_dearest_limit_above_each_node() -> None:
    decision = FakeSite(NOW).decisions["d-00001"]
    outcome = cast("Outcome", decision["outcome"] | {"prices": {"site": 0.1, "pdu-a": 0.4}})
    rows = {row["node"]: row for row in target_rows(decision["inputs"], outcome)}
    assert rows["node-01"]["bound"].startswith("pdu-a: ")
    assert rows["node-09"]["bound"].startswith("site: ")
    assert rows["node-12"]["bound"] == "nothing"
    assert rows["node-12"]["words"].startswith("not free to move: ")


def test_limits_that_are_worth_nothing_bind_nothing() -> None:
    decision = FakeSite(NOW).decisions["d-00001"]
    outcome = cast("Outcome", decision["outcome"] | {"prices": {"site": 0.0}})
    assert {row["bound"] for row in target_rows(decision["inputs"], outcome)} == {"nothing"}


def test_a_decision_without_a_bound_has_no_gap() -> None:
    summary = cast("DecisionSummary", FakeSite(NOW).decision_list()[0] | {"upper_bound_tok_s": 0.0})
    assert decision_row(summary)["gap"] is None


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (EVERY_STATUS, "", 12),
        (EVERY_STATUS, "RACK-A1", 4),
        (EVERY_STATUS, "rack-a1 llama-70b", 1),
        ("shadow", "llama", 6),
        ("locked", "", 0),
    ],
)
def test_nodes_are_kept_when_every_word_and_the_status_match(
    status: str, words: str, expected: int
) -> None:
    nodes: list[NodeView] = moment(FakeSite(NOW))["nodes"]
    assert sum(matches(node, status, words) for node in nodes) == expected


def body(**changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "kind": "reduction", "amount": 30.0, "limit_id": "site", "starts_at": None, "minutes": 1.0
    }  # fmt: skip
    return event_body(**(asked | changes))


def test_a_reduction_in_percent_is_sent_as_a_fraction() -> None:
    assert body() == {"kind": "reduction", "limit_id": "site", "duration_s": 60.0, "value": 0.3}


def test_a_limit_is_sent_with_its_unit_and_an_emergency_without_a_value() -> None:
    assert body(kind="limit", amount=44.0)["unit"] == "kW"
    assert "value" not in body(kind="emergency", amount=None)


@pytest.mark.parametrize("changes", [{"amount": None}, {"minutes": None}, {"minutes": 0.0}])
def test_an_event_without_a_number_is_refused_before_it_is_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Give"):
        body(**changes)


def test_a_start_is_read_in_the_browsers_zone() -> None:
    assert start_time("2026-07-01", "14:00", zone("Europe/Berlin")) == NOW
    with pytest.raises(ValueError, match="date and a time"):
        start_time("2026-02-30", "14:00", UTC)


def test_a_limit_without_a_meter_is_drawn_as_unknown() -> None:
    limits: list[LimitView] = moment(FakeSite(NOW))["limits"]
    limits[0]["metered_w"] = None
    assert figures_of(moment(FakeSite(NOW), limits=limits))["ceiling"].note == "contract limit"
