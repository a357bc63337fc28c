"""The views say of a made-up hour what can be worked out by hand."""

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from orchestrator.domain.breach import Breach
from orchestrator.domain.events import Shortfall
from orchestrator.domain.signals import SignalKey
from orchestrator.store.decisions import Decisions
from orchestrator.store.engine import writing
from orchestrator.store.events import Breaches, Events, Shortfalls
from orchestrator.store.inserts import insert_or_ignore
from orchestrator.store.query import SqlQuery, run_readonly
from orchestrator.store.record_tables import meter_samples, node_samples
from orchestrator.store.signals import Signals
from orchestrator.store.topologies import Facilities, Topologies
from tests.integration.store.records import NOON, TOPOLOGY, after, decision, event, signal

PAGE = Path(__file__).resolve().parents[3] / "docs/sql.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

# Seconds after noon, and metered watts: 12 kW before, a ramp, once 50 W too much, then free.
METERED: list[tuple[float, float]] = [
    (-2, 12_000.0),
    (0, 12_000.0),
    (1, 10_500.0),
    (2, 9_000.0),
    (3, 9_050.0),
]
METERED += [(float(second), 8_900.0) for second in range(4, 60)] + [(60, 11_900.0)]


def meter(at: datetime, power_w: float | None, limit_id: str = "site") -> dict[str, Any]:
    """One sample under a ceiling of 9 kW."""
    return {
        "limit_id": limit_id,
        "at": at,
        "power_w": power_w,
        "budget_w": 9_000.0,
        "exposure_w": 9_400.0,
    }


def node(name: str, second: float, tok_s: float | None) -> dict[str, Any]:
    """One sample of a node at 2900 W."""
    row: dict[str, Any] = dict.fromkeys(column.name for column in node_samples.columns)
    return row | {
        "node": name,
        "at": after(second),
        "power_w": 2900.0,
        "tok_s": tok_s,
        "limit_w": 3000.0,
        "enforced_w": 3000.0,
        "running": 3,
        "lease": "held",
    }


@pytest.fixture
def hour(engine: Engine) -> Engine:
    """Give a database in which an event of one minute has been met."""
    Facilities(engine).claim("demo", simulated=True, at=NOON)
    Topologies(engine).put(TOPOLOGY, NOON)
    Signals(engine).add(signal(), b"{}", "dsx", after(-2))
    Events(engine).put(event("completed", after(60)))
    Decisions(engine).add(decision(), 3)
    rows = [node("node-1", 1, 900.0), node("node-1", 2, 1100.0), node("node-2", 1, 500.0)]
    with writing(engine) as connection:
        samples = [meter(after(second), watts) for second, watts in METERED]
        samples += [meter(after(1), 99_000.0, "rack-1"), meter(after(2.5), None)]
        insert_or_ignore(connection, meter_samples, samples)
        insert_or_ignore(connection, node_samples, rows)
    return engine


def rows(engine: Engine, sql: str) -> list[dict[str, Any]]:
    return SqlQuery(engine).rows(sql, {})


def test_an_event_shows_what_it_delivered(hour: Engine) -> None:
    """Reduction, energy, time to comply and excess follow from the meter of its own limit."""
    (found,) = rows(hour, "SELECT * FROM events_delivered")
    during = [watts for second, watts in METERED if 0 <= second < 60]
    mean_w = sum(during) / len(during)
    assert found["mean_metered_w"] == pytest.approx(mean_w)
    assert found["max_metered_w"] == 12_000.0
    assert found["requested_w"] == 3_000.0
    assert found["delivered_w"] == pytest.approx(12_000 - mean_w)
    assert found["delivered_fraction"] == pytest.approx((12_000 - mean_w) / 3_000)
    assert found["curtailed_kwh"] == pytest.approx((12_000 - mean_w) * 59 / 3.6e6, rel=1e-3)
    assert found["time_to_comply_s"] == pytest.approx(2.0, abs=0.001)
    assert found["max_over_limit_w"] == pytest.approx(50.0)
    assert found["shortfall_ws"] == 0.0
    assert (bool(found["simulated"]), found["ended_at"]) == (True, after(60))


def test_measured_shortfalls_of_the_event_are_counted(hour: Engine) -> None:
    """Only a meter's, only during the event, only at its limit."""
    shortfalls = Shortfalls(hour)
    for start, measured, limit_id in (
        (10, True, "site"),
        (20, True, "site"),
        (20, False, "site"),
        (10, True, "rack-1"),
        (70, True, "site"),
    ):
        shortfalls.add(Shortfall(limit_id, after(start), after(start + 1), 5.0, 9.0, "?", measured))
    (found,) = rows(hour, "SELECT shortfall_ws FROM events_delivered")
    assert found["shortfall_ws"] == 10.0


def test_a_breach_tells_how_far_it_went_and_how_long(hour: Engine) -> None:
    """The worst rung stays when it is resolved; an open one has no duration."""
    went_far = Breach(
        "site", after(0), "resolved", after(2), after(10), None, after(40), 90.0, 800.0, "a cause",
        measured=True,
    )  # fmt: skip
    still_open = replace(
        went_far, limit_id="rack-1", status="warning", critical_at=None, resolved_at=None
    )
    for breach in (went_far, still_open):
        Breaches(hour).put(breach)
    query = "SELECT * FROM breaches_reviewed ORDER BY limit_id"
    found = [(row["worst_status"], row["lasted_s"]) for row in rows(hour, query)]
    assert found == [("warning", None), ("critical", pytest.approx(40.0, abs=0.001))]


def test_an_event_that_nothing_metered_shows_nothing_delivered(hour: Engine) -> None:
    """Neither a scheduled event nor one without a meter gets made-up figures."""
    later = replace(
        event("scheduled"),
        key=SignalKey("utility", "later"),
        starts_at=after(3600),
        ends_at=None,
        baseline_w=None,
    )
    Events(hour).put(later)
    (found,) = rows(hour, "SELECT * FROM events_delivered WHERE event_id = 'later'")
    unknown = {"mean_metered_w", "delivered_w", "delivered_fraction", "time_to_comply_s"}
    unknown |= {"requested_w", "curtailed_kwh", "max_over_limit_w", "ended_at"}
    assert {name for name in unknown if found[name] is not None} == set()


def test_an_event_that_was_never_met_shows_its_excess(hour: Engine) -> None:
    """Without one sample under the limit the excess of the whole event counts."""
    Events(hour).put(replace(event("completed", after(60)), limit_w=5_000.0))
    (found,) = rows(hour, "SELECT * FROM events_delivered")
    assert (found["time_to_comply_s"], found["max_over_limit_w"]) == (None, 7_000.0)


def test_a_minute_of_the_facility(hour: Engine) -> None:
    """The root's meter, the sum of the nodes' mean tokens, and the decisions of the minute."""
    found = {row["minute"]: row for row in rows(hour, "SELECT * FROM facility_by_minute")}
    assert set(found) == {after(-60), NOON, after(60)}
    noon = found[NOON]
    assert (noon["max_metered_w"], noon["min_budget_w"]) == (12_000.0, 9_000.0)
    assert (noon["max_exposure_w"], noon["max_over_budget_w"]) == (9_400.0, 3_000.0)
    assert (noon["tok_s"], noon["decisions"], bool(noon["simulated"])) == (1_500.0, 1, True)
    assert (found[after(60)]["tok_s"], found[after(60)]["decisions"]) == (None, 0)


def test_a_minute_of_a_node(hour: Engine) -> None:
    query = "SELECT * FROM node_by_minute WHERE node = 'node-1'"
    (found,) = rows(hour, query)
    assert (found["minute"], found["samples"], found["mean_tok_s"]) == (NOON, 2, 1_000.0)
    assert (found["mean_running"], found["max_itl_p95_ms"]) == (3.0, None)


def test_a_decision_is_explained_for_every_node(hour: Engine) -> None:
    found = rows(hour, "SELECT * FROM decisions_explained ORDER BY node")
    assert [row["node"] for row in found] == ["node-1", "node-2", "node-3"]
    assert (found[0]["signal_source"], found[0]["signal_id"]) == ("utility", "event-1")
    assert found[2]["reason"].startswith("silent")
    assert found[0]["decided_at"] == after(1)


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_documented_queries_run(hour: Engine, number: int) -> None:
    """Every query of docs/sql.md runs on both databases."""
    columns, _ = run_readonly(hour, QUERIES[number], 1000)
    assert columns


def test_the_auditor_sees_the_event_with_every_reason(hour: Engine) -> None:
    """One row for each node of each decision of the event."""
    columns, found = run_readonly(hour, QUERIES[0], 1000)
    reasons = [row[columns.index("reason")] for row in found]
    assert len(reasons) == 3
    assert all(reasons)
    assert {row[columns.index("delivered_w")] for row in found} != {None}
