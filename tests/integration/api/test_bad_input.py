"""Bad input over HTTP gets a problem document with a clear reason, and changes nothing."""

from typing import Any

import pytest

from orchestrator.messages import BudgetsChanged
from tests.api_bench import ApiBench, envelope


def problem(response: Any, status: int) -> str:
    """The detail of a problem document of this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body.keys() == {"type", "title", "status", "detail", "instance"}
    assert body["status"] == status
    assert body["instance"] == response.request.url.path
    assert "Traceback" not in response.text
    return str(body["detail"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issued_at": "yesterday"}, "issued_at"),
        ({"issued_at": "2030-01-01T13:30:00Z", "expires_at": "2030-01-01T14:00:00Z"}, "future"),
        (
            {"issued_at": "2030-01-01T10:00:00Z", "expires_at": "2030-01-01T11:00:00Z"},
            "expired at",
        ),
        ({"payload": {"value": 10, "unit": "horsepower"}}, "unknown power unit"),
        ({"payload": {"value": -10, "unit": "kW"}}, "negative"),
        ({"payload": {"value": 10, "unit": "kW", "limit_id": "rack-z"}}, "known: rack-a, site"),
        ({"kind": "wish"}, "kind"),
        ({"source": "budget"}, "reserved"),
        ({"source": "dsx-acme"}, "reserved"),
        ({"expires_at": "2032-01-01T00:00:00Z",
          "payload": {"value": 1, "unit": "kW", "starts_at": "2031-06-01T00:00:00Z"}},
         "more than a year ahead"),
        ({"note": "x"}, "note: unknown key"),
    ],
)  # fmt: skip
def test_a_bad_signal_is_refused_and_kept_as_a_dead_letter(
    bench: ApiBench, changes: dict[str, Any], said: str
) -> None:
    response = bench.client().post("/api/v1/signals", json=envelope(**changes))
    assert said in problem(response, 422)
    assert bench.control.inputs == []
    assert bench.signals.list() == []
    bench.ingest.queue.work_off()
    (line,) = bench.audit.list()
    assert (line.who, line.action) == ("http:operator", "signal.rejected")
    assert said in line.detail


def test_malformed_json_is_refused(bench: ApiBench) -> None:
    response = bench.client().post("/api/v1/signals", content=b'{"source": NaN')
    assert "not JSON" in problem(response, 422)
    assert bench.control.inputs == []


def test_a_body_over_the_bound_is_refused_unread(bench: ApiBench) -> None:
    response = bench.client().post("/api/v1/signals", content=b" " * (64 * 1024 + 1))
    assert "longer than 65536 bytes" in problem(response, 413)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit_w": -5}, "limit_w"),
        ({"limit_w": 0}, "limit_w"),
        ({"limit_w": "9 kW"}, "limit_w"),
        ({"limit_id": "rack-z"}, "unknown limit 'rack-z'"),
        ({"start": "25:00"}, "start"),
        ({"days": [7]}, "days"),
        ({"days": []}, "days"),
        ({"timezone": "Mars/Olympus"}, "unknown time zone"),
        ({"timezone": "America"}, "unknown time zone"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_budget_is_refused_by_the_name_of_the_field(
    bench: ApiBench, changes: dict[str, Any], said: str
) -> None:
    body = {"limit_id": "site", "limit_w": 9000} | changes
    assert said in problem(bench.client().put("/api/v1/budgets/night", json=body), 422)
    assert bench.client().get("/api/v1/budgets").json() == []
    assert not any(isinstance(item, BudgetsChanged) for item in bench.control.inputs)


def test_a_nan_in_a_budget_is_refused(bench: ApiBench) -> None:
    content = b'{"limit_id": "site", "limit_w": NaN}'
    headers = {"Content-Type": "application/json"}
    response = bench.client().put("/api/v1/budgets/night", content=content, headers=headers)
    assert "limit_w" in problem(response, 422)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nodes/ghost", None, 404),
        ("PUT", "/api/v1/nodes/ghost/lockout", {"reason": "fan"}, 404),
        ("DELETE", "/api/v1/nodes/ghost/lockout", None, 404),
        ("PUT", "/api/v1/limits/rack-z/arming", {"armed": True}, 404),
        ("PUT", "/api/v1/limits/rack-a/arming", {"armed": "yes"}, 422),
        ("DELETE", "/api/v1/budgets/ghost", None, 404),
        ("DELETE", "/api/v1/signals/utility/ghost", None, 404),
        ("DELETE", "/api/v1/events/operator/ghost", None, 404),
        ("GET", "/api/v1/decisions/ghost", None, 404),
        ("POST", "/api/v1/decisions/ghost/replay", None, 404),
        ("PUT", "/api/v1/policy", {"carbon_above_g_per_kwh": 400}, 422),
        ("PUT", "/api/v1/policy", {"carbon_above_g_per_kwh": 400, "carbon_limit_w": -1}, 422),
        ("POST", "/api/v1/events", {"kind": "limit", "duration_s": 60}, 422),
        ("POST", "/api/v1/events", {"kind": "limit", "value": 9, "duration_s": -1}, 422),
        ("POST", "/api/v1/events", {"kind": "reduction", "value": 3, "duration_s": 60}, 422),
        ("GET", "/api/v1/facility/history?minutes=-1", None, 422),
        ("GET", "/api/v1/decisions?limit=0", None, 422),
        ("GET", "/api/v1/nothing", None, 404),
        ("PATCH", "/api/v1/facility", None, 405),
    ],
)
def test_what_does_not_exist_or_makes_no_sense_changes_nothing(
    bench: ApiBench, method: str, path: str, body: Any, status: int
) -> None:
    client = bench.client()
    assert client.request(method, path, json=body).status_code == status
    assert bench.control.inputs == []


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        (b"deployment,gpu_model\na,b\n", "missing column"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "missing column"),
        (
            (b"deployment,gpu_model,gpus,cap_w,batch,power_w,tok_s,itl_p95_ms\n"
             b"a,H100,8,300,16,nan,100,20\n"),
            "power_w",
        ),
    ],
)  # fmt: skip
def test_a_bad_profile_is_refused_by_its_column(bench: ApiBench, csv: bytes, said: str) -> None:
    response = bench.client("admin").post("/api/v1/models", content=csv)
    assert said in problem(response, 422)
    assert bench.context.models.versions() == []
