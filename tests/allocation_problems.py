"""Random allocation problems as the problem file has them, and what holds of their answers."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from orchestrator.domain.allocation.policies.answer import Answer
from orchestrator.domain.allocation.policies.assembly import read_instance
from orchestrator.domain.allocation.policies.solve import solve

Problem = dict[str, Any]


def answer_to(problem: Problem) -> Answer:
    return solve(read_instance(json.dumps(problem).encode()))


@st.composite
def problems(
    draw: st.DrawFn, policy: str, tenants: bool = False, feeds: bool = False, roomy: bool = True
) -> Problem:
    """roomy: all minima fit under every limit and tenant maximum."""
    limits = draw(_limits())
    devices = [
        draw(_device(f"node-{index}", len(limits), feeds))
        for index in range(draw(st.integers(1, 7)))
    ]
    problem = {
        "policy": policy,
        "budget_w": draw(st.one_of(st.none(), st.floats(100.0, 4000.0))),
        "limits": limits,
        "devices": devices,
        "tenants": draw(_tenants([device["id"] for device in devices])) if tenants else [],
    }
    if roomy:
        _make_room(problem)
    return problem


def below(problem: Problem, limit_id: str) -> list[Problem]:
    parents = {limit["id"]: limit["parent"] for limit in problem["limits"]}
    return [
        device
        for device in problem["devices"]
        if any(limit_id in _chain(parents, lowest) for lowest in device["limits"])
    ]


def sums(problem: Problem) -> Iterator[tuple[str, list[Problem], float, float]]:
    """(name, devices, least, most) of every sum that a solution must keep."""
    everything = problem["devices"]
    if problem["budget_w"] is not None:
        yield "budget_w", everything, 0.0, problem["budget_w"]
    for limit in problem["limits"]:
        yield limit["id"], below(problem, limit["id"]), 0.0, limit["limit_w"]
    for tenant in problem["tenants"]:
        own = [device for device in everything if device["id"] in tenant["devices"]]
        yield f"tenant {tenant['id']}", own, tenant["min_w"], tenant["max_w"]


def _chain(parents: dict[str, str | None], lowest: str) -> Iterator[str]:
    current: str | None = lowest
    while current is not None:
        yield current
        current = parents[current]


@st.composite
def _limits(draw: st.DrawFn) -> list[Problem]:
    count = draw(st.integers(1, 5))
    return [
        {
            "id": f"limit-{index}",
            "parent": None if index == 0 else f"limit-{draw(st.integers(0, index - 1))}",
            "limit_w": draw(st.floats(200.0, 3000.0)),
        }
        for index in range(count)
    ]


@st.composite
def _device(draw: st.DrawFn, name: str, limits: int, feeds: bool) -> Problem:
    min_w = draw(st.sampled_from([0.0, 50.0, 100.0]))
    span_w = draw(st.integers(0, 600))
    hangs = draw(st.lists(st.integers(0, limits - 1), min_size=1, max_size=2 if feeds else 1))
    return {
        "id": name,
        "limits": [f"limit-{index}" for index in hangs],
        "min_w": min_w,
        "max_w": min_w + span_w,
        "request_w": min_w + span_w * draw(st.floats(0.0, 1.0)),
        "active": draw(st.integers(0, 3)) > 0,
        "priority": draw(st.integers(0, 1)),
        "tier": draw(st.integers(0, 3)),
        "weight": draw(st.sampled_from([0.5, 1.0, 3.0])),
        "target_tok_s": draw(st.floats(0.0, 1500.0)),
        "frontier": draw(_frontier(min_w, span_w)),
    }


@st.composite
def _frontier(draw: st.DrawFn, min_w: float, span_w: float) -> list[list[float]]:
    count = draw(st.integers(1, 4))
    shares = sorted(draw(st.lists(st.integers(0, 64), min_size=count, max_size=count)))
    gains = draw(st.lists(st.floats(0.0, 900.0), min_size=count, max_size=count))
    points, tok_s = [], 100.0
    for share, gain in zip([0, *shares], [0.0, *gains], strict=True):
        tok_s += gain
        points.append([min_w + share * span_w / 64, tok_s])
    return points


@st.composite
def _tenants(draw: st.DrawFn, ids: list[str]) -> list[Problem]:
    found = []
    for index in range(draw(st.integers(1, 3))):
        own = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=len(ids), unique=True))
        most = draw(st.floats(200.0, 2000.0))
        found.append({"id": f"tenant-{index}", "devices": own, "min_w": 0.0, "max_w": most})
    return found


def _make_room(problem: Problem) -> None:
    """Raise every ceiling to what the first choice of each device needs below it."""
    least = {device["id"]: device["min_w"] for device in problem["devices"]}
    if problem["budget_w"] is not None:
        problem["budget_w"] = max(problem["budget_w"], sum(least.values()))
    for limit in problem["limits"]:
        needed = sum(least[device["id"]] for device in below(problem, limit["id"]))
        limit["limit_w"] = max(limit["limit_w"], needed)
    for tenant in problem["tenants"]:
        tenant["max_w"] = max(tenant["max_w"], sum(least[name] for name in tenant["devices"]))
