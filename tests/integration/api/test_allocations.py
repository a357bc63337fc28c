"""Allocation problems over HTTP: solved for whoever is signed in, refused with a reason."""

from typing import Any

import pytest

from tests.api_bench import ApiBench
from tests.integration.api.test_bad_input import problem

PATH = "/api/v1/allocations"
PROBLEM = {
    "policy": "fair",
    "budget_w": 300.0,
    "limits": [{"id": "site", "limit_w": 1_000.0}],
    "devices": [
        {"id": name, "limits": ["site"], "min_w": 100.0, "max_w": 400.0} for name in ("a", "b")
    ],
}


def test_a_viewer_gets_the_result_file(bench: ApiBench) -> None:
    answer = bench.client("viewer").post(PATH, json=PROBLEM)
    assert answer.status_code == 200
    body = answer.json()
    assert body["allocations"] == {"a": 150.0, "b": 150.0}
    assert body["gap"] == 0
    assert body.keys() >= {
        "policy", "allocations", "points", "objective", "upper_bound", "gap", "prices", "binding",
        "unmet",
    }  # fmt: skip
    assert bench.control.inputs == []


def test_nobody_else_does(bench: ApiBench) -> None:
    assert bench.client(None).post(PATH, json=PROBLEM).status_code == 401
    assert bench.client("feed:utility").post(PATH, json=PROBLEM).status_code == 403


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy": "best"}, "policy must be one of"),
        ({"devices": [{"id": "a", "limits": ["rack"], "max_w": 1.0}]}, "unknown limit rack"),
        ({"tenants": [{"id": "t", "devices": ["x"]}]}, "tenant t: unknown device x"),
    ],
)
def test_bad_problems_are_problem_documents(
    bench: ApiBench, changes: dict[str, Any], said: str
) -> None:
    assert said in problem(bench.client().post(PATH, json=PROBLEM | changes), 422)


def test_a_nan_is_refused(bench: ApiBench) -> None:
    answer = bench.client().post(PATH, content=b'{"policy": "fair", "budget_w": NaN}')
    assert "must be finite and not negative, got NaN" in problem(answer, 422)


def test_a_problem_over_the_bound_is_refused_unread(bench: ApiBench) -> None:
    answer = bench.client().post(PATH, content=b" " * (8 * 1024 * 1024 + 1))
    assert "longer than 8388608 bytes" in problem(answer, 413)
