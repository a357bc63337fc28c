"""The three phases of `fair` against dense programmes that say nothing but their definition."""

from typing import Any

import clarabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from orchestrator.domain.allocation.policies.answer import Answer
from tests.allocation_problems import Problem, answer_to, problems, sums

TOLERANCE_W = 1e-4


def arrays(problem: Problem, name: str) -> Any:
    return np.array([device[name] for device in problem["devices"]], dtype=float)


def matrix(problem: Problem) -> tuple[Any, Any, Any]:
    """(rows, least, most) of all sums."""
    index = {device["id"]: at for at, device in enumerate(problem["devices"])}
    found = list(sums(problem))
    rows = np.zeros((len(found), len(index)))
    for at, (_, devices, _, _) in enumerate(found):
        rows[at, [index[device["id"]] for device in devices]] = 1.0
    return rows, np.array([least for *_, least, _ in found]), np.array([x[3] for x in found])


def quadratic(rows: Any, least: Any, most: Any, low: Any, high: Any, wish: Any, pull: Any) -> Any:
    """Minimise sum pull (a - wish)^2 under the rows and ranges, by Clarabel, in hundreds of W."""
    least, most, low, high, wish = (part / 100.0 for part in (least, most, low, high, wish))
    free = high - low > 1e-9
    found = low.copy()
    if not free.any():
        return 100.0 * found
    moving, done = rows[:, free], rows @ np.where(free, 0.0, low)
    count = int(free.sum())
    stacked = sparse.csc_matrix(np.vstack([moving, -moving, np.eye(count), -np.eye(count)]))
    bounds = np.concatenate([most - done, done - least, high[free], -low[free]]) + 1e-9
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-10
    cones = [clarabel.NonnegativeConeT(len(bounds))]
    weights = sparse.csc_matrix(np.diag(2.0 * pull[free]))
    linear = -2.0 * (pull * wish)[free]
    solver = clarabel.DefaultSolver(weights, linear, stacked, bounds, cones, options)
    found[free] = np.array(solver.solve().x)
    return 100.0 * found


def phase_one(problem: Problem) -> float:
    """The sum of squares that nvPAX's first phase reaches, priority by priority."""
    rows, least, most = matrix(problem)
    low, high = arrays(problem, "min_w"), arrays(problem, "max_w")
    active = np.array([device["active"] for device in problem["devices"]])
    priority, request = arrays(problem, "priority"), arrays(problem, "request_w")
    fixed = np.zeros(len(low), dtype=bool)
    total = 0.0
    for level in sorted(set(priority[active].tolist()), reverse=True):
        asking = active & (priority == level)
        wish, pull = np.where(asking, request, low), np.where(asking, 1.0, 0.0)
        found = quadratic(rows, least, most, low, high, wish, pull)
        total += float(((found - request)[asking] ** 2).sum())
        low, high = np.where(asking, found, low), np.where(asking, found, high)
        fixed |= asking
    return total


def max_min(rows: Any, room: Any, most: Any) -> Any:
    """The max-min split by a sequence of linear programmes."""
    count = len(most)
    held = np.full(count, np.nan)
    while np.isnan(held).any():
        free = np.isnan(held)
        level = _highest(rows, room, most, held, free)
        rising = np.flatnonzero(free).tolist()
        stuck = [at for at in rising if not _can_rise(rows, room, most, held, level, at)]
        held[stuck or rising] = level
    return held


def _highest(rows: Any, room: Any, most: Any, held: Any, free: Any) -> float:
    left = room - rows @ np.where(free, 0.0, np.nan_to_num(held))
    count = rows @ free.astype(float)
    levels = np.append(left[count > 0] / count[count > 0], most[free])
    return max(float(levels.min()), 0.0)


def _can_rise(rows: Any, room: Any, most: Any, held: Any, level: float, at: int) -> bool:
    low = np.where(np.isnan(held), level, held)
    goal = np.zeros(len(most))
    goal[at] = -1.0
    bounds = [(one - 1e-9, max(one, top)) for one, top in zip(low, most, strict=True)]
    found = linprog(goal, A_ub=rows, b_ub=room + 1e-9, bounds=bounds, method="highs")
    return bool(found.status == 0 and -found.fun > level + 1e-6)


def within(problem: Problem, answer: Answer) -> None:
    """Every device in its range and every sum under its ceiling."""
    for device in problem["devices"]:
        watts = answer.allocations[device["id"]]
        assert device["min_w"] - TOLERANCE_W <= watts <= device["max_w"] + TOLERANCE_W
    for name, devices, _, most in sums(problem):
        used = sum(answer.allocations[device["id"]] for device in devices)
        assert used <= most + TOLERANCE_W, name


@settings(max_examples=60, deadline=None)
@given(st.one_of(problems("fair"), problems("fair", tenants=True), problems("fair", feeds=True)))
def test_the_first_phase_is_the_quadratic_programme_and_nothing_exceeds_a_limit(
    problem: Problem,
) -> None:
    answer = answer_to(problem)
    within(problem, answer)
    expected = phase_one(problem)
    assert np.isclose(answer.objective, expected, rtol=5e-5, atol=1e-2)
    assert answer.gap is not None
    assert answer.gap <= 1e-6 or answer.objective < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.one_of(problems("fair"), problems("fair", tenants=True), problems("fair", feeds=True)))
def test_the_surplus_goes_max_min_first_to_the_active_then_to_the_idle(problem: Problem) -> None:
    """With requests at the minima, phase I gives nothing and all is surplus."""
    for device in problem["devices"]:
        device["request_w"] = device["min_w"]
    answer = answer_to(problem)
    rows, _, most = matrix(problem)
    low, high = arrays(problem, "min_w"), arrays(problem, "max_w")
    active = np.array([device["active"] for device in problem["devices"]])
    first = max_min(rows, most - rows @ low, np.where(active, high - low, 0.0))
    second = max_min(rows, most - rows @ (low + first), np.where(active, 0.0, high - low))
    got = np.array([answer.allocations[device["id"]] for device in problem["devices"]])
    np.testing.assert_allclose(got, low + first + second, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(problems("fair", tenants=True), st.data())
def test_a_tenants_minimum_is_met_where_it_can_be_and_named_where_not(
    problem: Problem, data: st.DataObject
) -> None:
    for tenant in problem["tenants"]:
        tenant["min_w"] = data.draw(st.floats(0.0, tenant["max_w"]))
    answer = answer_to(problem)
    within(problem, answer)
    rows, least, most = matrix(problem)
    bounds = list(zip(arrays(problem, "min_w"), arrays(problem, "max_w"), strict=True))
    possible = linprog(
        np.zeros(len(bounds)),
        A_ub=np.vstack([rows, -rows]),
        b_ub=np.concatenate([most, -least]),
        bounds=bounds,
        method="highs",
    )
    named = any(words.startswith("tenant") for words in answer.unmet)
    if possible.status == 0:
        assert not named
        assert np.isclose(answer.objective, phase_one(problem), rtol=5e-5, atol=1e-1)
    else:
        assert named
        assert answer.gap is None


@settings(max_examples=60, deadline=None)
@given(problems("fair"), st.floats(1.0, 1.5))
def test_with_one_priority_a_larger_budget_is_never_further_from_the_requests(
    problem: Problem, factor: float
) -> None:
    for device in problem["devices"]:
        device["priority"] = 0
    budget = problem["budget_w"] or 4000.0
    less = answer_to(problem | {"budget_w": budget})
    more = answer_to(problem | {"budget_w": budget * factor})
    assert more.objective <= less.objective * (1 + 1e-9) + 1e-6
