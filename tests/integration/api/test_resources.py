"""What the API shows and what its changes do."""

import asyncio
import json
import math
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from orchestrator.domain.breach import Breach
from orchestrator.domain.budget import GridPolicy
from orchestrator.domain.decision import Decision, DecisionInputs, decide
from orchestrator.domain.events import EventRecord
from orchestrator.domain.frontier import Candidate, pareto
from orchestrator.domain.signals import SignalKey
from orchestrator.domain.timeline import Bound
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    FrontiersChanged,
    LockoutsChanged,
    PolicyChanged,
)
from orchestrator.store.decisions import Decisions
from orchestrator.store.events import Breaches, Events
from tests.api_bench import TOPOLOGY, ApiBench, envelope
from tests.recording_control import NOON, a_snapshot

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


def a_decision(decision_id: str = "d-1") -> Decision:
    points = [Candidate(cap, 64, 8 * cap, 20.0 * math.sqrt(cap)) for cap in (200, 400, 700)]
    inputs = DecisionInputs(
        topology=TOPOLOGY,
        bounds={limit.id: Bound(limit.id, limit.limit_w, "contract") for limit in TOPOLOGY.limits},
        fixed={},
        frontiers={"llama-70b": pareto("llama-70b", "v1", 8, points)},
        shadow=False,
    )
    return Decision(decision_id, NOON, "a test", inputs, decide(inputs))


def a_profile() -> bytes:
    rows = ["deployment,gpu_model,gpus,cap_w,batch,power_w,tok_s,itl_p95_ms"]
    draw = random.Random(4)
    for cap in (200, 300, 400, 500, 600, 700):
        for batch in (16, 64):
            tok_s = 100 * math.sqrt(cap * batch) * draw.uniform(0.97, 1.03)
            rows.append(
                f"llama-70b,H100,8,{cap},{batch},{7 * cap},{tok_s:.1f},{batch + 9000 / cap}"
            )
    return "\n".join(rows).encode()


def test_the_facility_is_the_snapshot(bench: ApiBench) -> None:
    answer = bench.client("viewer").get("/api/v1/facility")
    body = answer.json()
    assert body["at"] == "2030-01-01T12:00:00Z"
    assert body["simulated"] is True
    assert (body["ceiling_w"], body["metered_w"], body["decisions"]) == (20_000, 8_000, 7)
    assert [limit["id"] for limit in body["limits"]] == ["site", "rack-a"]
    assert body["limits"][1]["metered_w"] is None
    assert body["nodes"][0]["path"] == ["rack-a", "site"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_nodes_and_limits_are_parts_of_the_snapshot(bench: ApiBench) -> None:
    client = bench.client("viewer")
    assert [node["id"] for node in client.get("/api/v1/nodes").json()] == ["node-1", "node-2"]
    assert client.get("/api/v1/nodes/node-2").json()["tok_s"] == 900
    assert client.get("/api/v1/limits").json()[0]["kind"] == "facility"


def test_the_stream_sends_a_snapshot_a_second_and_ends_with_the_service(bench: ApiBench) -> None:
    async def listen() -> list[bytes]:
        chunks: list[bytes] = []

        async def receive() -> dict[str, object]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            body = message.get("body")
            if isinstance(body, bytes) and body:
                chunks.append(body)
                bench.context.stopping.set()

        token = bench.token("viewer").encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "path": "/api/v1/facility/stream",
            "raw_path": b"/api/v1/facility/stream",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + token)],
            "state": {},
        }
        await asyncio.wait_for(bench.app(scope, receive, send), 10)  # type: ignore[arg-type]
        return chunks

    (first,) = asyncio.run(listen())
    assert first.startswith(b"data: ")
    assert first.endswith(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["site"] == "lab"
    assert bench.app.state.streams == set()


def test_history_is_one_point_a_second_from_memory(bench: ApiBench) -> None:
    for quarter in range(40):
        bench.ring.observe(a_snapshot(NOON + timedelta(seconds=quarter / 4)))
    bench.clock.now = NOON + timedelta(seconds=10)
    points = bench.client("viewer").get("/api/v1/facility/history?minutes=0.1").json()
    assert [point["at"][17:19] for point in points] == ["04", "05", "06", "07", "08", "09"]
    assert points[0].keys() == {
        "at", "metered_w", "ceiling_w", "exposure_w", "tok_s", "itl_p95_ms",
    }  # fmt: skip
    assert bench.client("viewer").get("/api/v1/facility/history?minutes=90").json() == []


def test_memory_of_the_past_is_bounded(bench: ApiBench) -> None:
    for minute in range(60):
        bench.ring.observe(a_snapshot(NOON + timedelta(minutes=minute)))
    assert len(bench.ring.since(NOON)) == 31


def test_a_budget_is_set_shown_and_removed(bench: ApiBench) -> None:
    client = bench.client()
    body = {"limit_id": "site", "limit_w": 9000, "start": "22:00", "end": "06:00",
            "days": [4, 0], "timezone": "Europe/Berlin"}  # fmt: skip
    saved = client.put("/api/v1/budgets/night", json=body)
    assert saved.status_code == 200
    assert saved.json() == body | {"id": "night", "days": [0, 4], "guaranteed": True, "note": ""}
    assert client.get("/api/v1/budgets").json() == [saved.json()]
    told = bench.control.last(BudgetsChanged)
    assert isinstance(told, BudgetsChanged)
    assert [budget.id for budget in told.budgets] == ["night"]
    assert client.delete("/api/v1/budgets/night").status_code == 204
    assert client.get("/api/v1/budgets").json() == []
    assert bench.control.last(BudgetsChanged) == BudgetsChanged(())
    assert [line.action for line in bench.audit.list()] == ["budget.deleted", "budget.set"]


@pytest.mark.parametrize(("limit_id", "limit_w"), [("site", 7_999), ("rack-a", 4_000)])
def test_a_budget_below_what_is_guaranteed_is_taken_only_as_best_effort(
    bench: ApiBench, limit_id: str, limit_w: float
) -> None:
    body = {"limit_id": limit_id, "limit_w": limit_w}
    refused = bench.client().put("/api/v1/budgets/low", json=body)
    assert refused.status_code == 409
    assert 'or send "best_effort": true' in refused.json()["detail"]
    assert bench.client().get("/api/v1/budgets").json() == []
    taken = bench.client().put("/api/v1/budgets/low", json={**body, "best_effort": True})
    assert taken.json()["guaranteed"] is False
    assert "best effort" in taken.json()["note"]
    assert bench.audit.list()[0].detail.endswith("as best effort")


def test_a_policy_is_set_and_shown(bench: ApiBench) -> None:
    client = bench.client()
    nothing = dict.fromkeys(
        ("carbon_above_g_per_kwh", "carbon_limit_w", "price_above_per_mwh", "price_limit_w")
    )
    assert client.get("/api/v1/policy").json() == nothing
    wanted = nothing | {"carbon_above_g_per_kwh": 400.0, "carbon_limit_w": 9000.0}
    assert client.put("/api/v1/policy", json=wanted).json() == wanted
    assert client.get("/api/v1/policy").json() == wanted
    assert bench.control.last(PolicyChanged) == PolicyChanged(GridPolicy(400.0, 9000.0))


def test_racks_are_armed_and_nodes_locked_out(bench: ApiBench) -> None:
    client = bench.client()
    assert client.put("/api/v1/limits/rack-a/arming", json={"armed": True}).status_code == 204
    assert bench.control.last(ArmingChanged) == ArmingChanged(frozenset({"rack-a"}))
    assert client.put("/api/v1/limits/rack-a/arming", json={"armed": False}).status_code == 204
    assert bench.control.last(ArmingChanged) == ArmingChanged(frozenset())
    lockout = client.put("/api/v1/nodes/node-1/lockout", json={"reason": "fan is loud"})
    assert lockout.status_code == 204
    assert bench.control.last(LockoutsChanged) == LockoutsChanged(frozenset({"node-1"}))
    assert client.delete("/api/v1/nodes/node-1/lockout").status_code == 204
    assert bench.control.last(LockoutsChanged) == LockoutsChanged(frozenset())
    assert {line.who for line in bench.audit.list()} == {"operator"}


def test_the_timeline_shows_what_is_to_come(bench: ApiBench) -> None:
    client = bench.client()
    client.put("/api/v1/budgets/b", json={"limit_id": "site", "limit_w": 9e3, "start": "14:00",
                                          "end": "15:00"})  # fmt: skip
    payload = {"value": 10, "unit": "kW", "starts_at": "2030-01-01T12:30:00Z"}
    client.post("/api/v1/signals", json=envelope(payload=payload))
    found = client.get("/api/v1/timeline?hours=4").json()
    assert [(step["starts_at"][11:16], step["limits"]["site"]["limit_w"]) for step in found] == [
        ("12:00", 20_000), ("12:30", 10_000), ("13:00", 20_000),
        ("14:00", 9_000), ("15:00", 20_000),
    ]  # fmt: skip
    assert found[1]["limits"]["site"]["reason"] == "limit utility/dr-17"


def test_an_operators_event_is_a_signal_and_can_be_cancelled(bench: ApiBench) -> None:
    client = bench.client()
    made = client.post("/api/v1/events", json={"kind": "reduction", "value": 0.3, "duration_s": 60})
    assert made.status_code == 201
    event = made.json()
    assert event["key"] == {"source": "operator", "id": "event-1"}
    assert (event["status"], event["limit_id"]) == ("active", "site")
    assert event["ends_at"] == "2030-01-01T12:01:00Z"
    key = SignalKey("operator", "event-1")
    assert bench.control.signals[key].value == 0.3
    later = {"kind": "limit", "value": 9, "unit": "kW", "limit_id": "rack-a", "duration_s": 60,
             "starts_at": "2030-01-01T14:00:00Z"}  # fmt: skip
    planned = client.post("/api/v1/events", json=later).json()
    assert (planned["status"], planned["limit_w"]) == ("scheduled", 9_000)
    assert client.delete("/api/v1/events/operator/event-1").status_code == 204
    assert key not in bench.control.signals


def test_events_show_what_they_delivered(bench: ApiBench) -> None:
    record = EventRecord(
        key=SignalKey("utility", "dr-17"),
        kind="limit",
        limit_id="site",
        status="completed",
        received_at=NOON,
        starts_at=NOON,
        ends_at=NOON + timedelta(minutes=1),
        limit_w=7_000.0,
        baseline_w=10_000.0,
        ended_at=NOON + timedelta(minutes=1),
        guaranteed=False,
    )
    Events(bench.engine).put(record)
    with bench.engine.begin() as connection:
        for second, power_w in enumerate([8_000, 6_000, 7_000]):
            connection.exec_driver_sql(
                "INSERT INTO meter_samples (limit_id, at, power_w) VALUES ('site', ?, ?)",
                (f"2030-01-01 12:00:{second:02}.000000", power_w),
            )
    (event,) = bench.client("viewer").get("/api/v1/events").json()
    assert event["key"] == {"source": "utility", "id": "dr-17"}
    assert event["delivered_w"] == pytest.approx(3_000)
    assert event["delivered_fraction"] == pytest.approx(1.0)
    assert event["time_to_comply_s"] == pytest.approx(1.0, abs=1e-3)
    assert event["excess_ws"] == 0
    assert event["note"].startswith("below 8000 W, the least that is guaranteed here")


def test_breaches_are_listed_and_those_that_are_open_are_counted(bench: ApiBench) -> None:
    breach = Breach(
        "rack-a", NOON, "critical", NOON, NOON, None, None, 90.0, 800.0, "a cause", measured=True
    )
    Breaches(bench.engine).put(breach)
    bench.control.shown = replace(a_snapshot(), breaches=(breach,), breaches_opened=3)
    client = bench.client("viewer")
    (found,) = client.get("/api/v1/breaches").json()
    assert (found["limit_id"], found["status"], found["resolved_at"]) == (
        "rack-a", "critical", None,
    )  # fmt: skip
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}
    assert samples["ballast_breaches_total",] == 3
    assert samples["ballast_breach_open", "rack-a", "critical"] == 1


def test_minutes_come_from_the_database(bench: ApiBench) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO documents (sha256, body) VALUES ('x', '{}')")
        connection.exec_driver_sql(
            "INSERT INTO topologies (sha256, root_limit_id, created_at) "
            "VALUES ('x', 'site', '2030-01-01 00:00:00.000000')"
        )
        connection.exec_driver_sql(
            "INSERT INTO meter_samples (limit_id, at, power_w, budget_w, exposure_w) "
            "VALUES ('site', '2030-01-01 11:30:10.000000', 7000, 9000, 8000)"
        )
    points = bench.client("viewer").get("/api/v1/facility/history?minutes=60").json()
    assert [(point["at"], point["metered_w"], point["ceiling_w"]) for point in points] == [
        ("2030-01-01T11:30:00Z", 7000, 9000)
    ]


def test_a_decision_is_shown_with_its_reasons_and_replays(bench: ApiBench) -> None:
    Decisions(bench.engine).add(a_decision(), epoch=3)
    client = bench.client()
    (summary,) = client.get("/api/v1/decisions").json()
    assert (summary["id"], summary["cause"]) == ("d-1", "a test")
    shown = client.get("/api/v1/decisions/d-1").json()
    assert shown["inputs"]["topology"]["firm_limit_w"] == 8_000
    assert [target["node"] for target in shown["outcome"]["targets"]] == ["node-1", "node-2"]
    assert all(target["reason"] for target in shown["outcome"]["targets"])
    replayed = client.post("/api/v1/decisions/d-1/replay").json()
    assert replayed == {"identical": True, "differing": []}


def test_a_replay_names_what_differs(bench: ApiBench) -> None:
    Decisions(bench.engine).add(a_decision(), epoch=3)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE decisions SET outcome = replace(outcome, '700', '701')")
        outcome = connection.exec_driver_sql("SELECT outcome FROM decisions").scalar_one()
        changed = json.loads(outcome)
        changed["targets"][0]["limit_w"] -= 1
        connection.exec_driver_sql("UPDATE decisions SET outcome = ?", (json.dumps(changed),))
    replayed = bench.client().post("/api/v1/decisions/d-1/replay").json()
    assert replayed["identical"] is False
    assert "node-1" in replayed["differing"]


def test_a_profile_becomes_the_frontier_in_use_and_is_fitted_once(bench: ApiBench) -> None:
    admin = bench.client("admin")
    first = admin.post("/api/v1/models", content=a_profile())
    assert first.status_code == 201
    (model,) = first.json()
    assert (model["deployment"], model["active"], model["simulated"]) == ("llama-70b", True, True)
    told = bench.control.last(FrontiersChanged)
    assert isinstance(told, FrontiersChanged)
    assert told.frontiers["llama-70b"].model_version == model["version"]
    again = admin.post("/api/v1/models", content=a_profile())
    assert again.json() == first.json()
    assert len(admin.get("/api/v1/models").json()) == 1


def test_health_needs_no_token_and_tells_a_stuck_control_loop(bench: ApiBench) -> None:
    stranger = bench.client(None)
    assert stranger.get("/health/live").status_code == 200
    assert stranger.get("/health/ready").json() == {"status": "ready", "control_age_s": 0.1}
    bench.control.shown = replace(a_snapshot(), tighten_only=("site: too little",))
    assert stranger.get("/health/ready").json()["tighten_only"] == ["site: too little"]
    bench.pulse.age_s = 30
    assert stranger.get("/health/ready").status_code == 503


def test_metrics_are_what_prometheus_reads(bench: ApiBench) -> None:
    text = bench.client("viewer").get("/metrics").text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["ballast_limit_metered_w", "site"] == 8_000
    assert ("ballast_limit_metered_w", "rack-a") not in samples
    assert samples["ballast_node_power_w", "node-1"] == 3_500
    assert samples["ballast_node_status", "following", "node-1"] == 1
    assert samples["ballast_control_age_seconds",] == pytest.approx(0.1)
    assert samples["ballast_queue_length", "control"] == 2
    assert samples["ballast_dropped_total", "telemetry"] == 5
    assert samples["ballast_decisions_total",] == 7


def test_an_unforeseen_error_says_nothing_of_the_inside(
    bench: ApiBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(bench.control, "snapshot", broken)
    with capture_logs() as logged:
        answer = bench.client("viewer").get("/api/v1/facility")
    assert [entry["event"] for entry in logged] == ["request failed"]
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["detail"].startswith("Something went wrong inside")


def test_the_description_of_the_api_is_complete_enough_to_be_generated(bench: ApiBench) -> None:
    paths = bench.client(None).get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/signals", "/api/v1/budgets/{budget_id}", "/metrics"} <= paths.keys()
