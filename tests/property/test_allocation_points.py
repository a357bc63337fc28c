"""`throughput` and `efficiency` against linear programmes and against every possible choice."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from orchestrator.domain.allocation.policies.answer import Answer
from tests.allocation_problems import Problem, answer_to, problems, sums

TOLERANCE_W = 1e-6


def any_problem(policy: str) -> st.SearchStrategy[Problem]:
    return st.one_of(problems(policy), problems(policy, tenants=True), problems(policy, feeds=True))


def relaxed(problem: Problem) -> float:
    """The linear relaxation by HiGHS: shares of each device's points that sum to 1."""
    columns = [
        (device, *point)
        for device in problem["devices"]
        for point in device["frontier"]
        if point[0] <= device["max_w"]
    ]
    found = list(sums(problem))
    rows = np.zeros((len(found), len(columns)))
    shares = np.zeros((len(problem["devices"]), len(columns)))
    for at, (device, watts, _) in enumerate(columns):
        shares[[one is device for one in problem["devices"]], at] = 1.0
        for row, (_, below, _, _) in enumerate(found):
            rows[row, at] = watts if any(one is device for one in below) else 0.0
    solved = linprog(
        [-device["weight"] * tok_s for device, _, tok_s in columns],
        A_ub=rows,
        b_ub=[most for *_, most in found],
        A_eq=shares,
        b_eq=np.ones(len(shares)),
        method="highs",
    )
    return -float(solved.fun)


def keeps_its_points(problem: Problem, answer: Answer) -> None:
    """Each allocation is a point of the device's frontier, and no sum is over its ceiling."""
    for device in problem["devices"]:
        point = answer.points[device["id"]]
        assert point is not None
        assert answer.allocations[device["id"]] == pytest.approx(device["frontier"][point][0])
    for name, devices, _, most in sums(problem):
        used = sum(answer.allocations[device["id"]] for device in devices)
        assert used <= most + TOLERANCE_W, name


def bound_of(problem: Problem, answer: Answer) -> float:
    """The certificate again, from the published prices and the problem alone."""
    prices = {f"tenant {name}": price for name, price in answer.tenant_prices.items()}
    prices |= dict(answer.prices)
    paid = 0.0
    over = {device["id"]: 0.0 for device in problem["devices"]}
    for name, devices, _, most in sums(problem):
        price = float(prices[name] or 0.0)
        assert price >= 0
        paid += price * most
        for device in devices:
            over[device["id"]] += price
    earned = [
        max(device["weight"] * tok_s - over[device["id"]] * watts for watts, tok_s in allowed)
        for device in problem["devices"]
        if (allowed := [one for one in device["frontier"] if one[0] <= device["max_w"]])
    ]
    return float(paid + sum(earned))


@settings(max_examples=60, deadline=None)
@given(any_problem("throughput"))
def test_the_relaxation_lies_between_the_choice_and_its_bound(problem: Problem) -> None:
    answer = answer_to(problem)
    keeps_its_points(problem, answer)
    assert answer.upper_bound is not None
    best = relaxed(problem)
    assert answer.objective <= best * (1 + 1e-7)
    assert best <= answer.upper_bound * (1 + 1e-7)


@settings(max_examples=60, deadline=None)
@given(problems("throughput"))
def test_where_limits_nest_the_bound_is_the_relaxation(problem: Problem) -> None:
    assert answer_to(problem).upper_bound == pytest.approx(relaxed(problem), rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(any_problem("throughput"))
def test_anyone_can_check_the_certificate_from_the_published_prices(problem: Problem) -> None:
    answer = answer_to(problem)
    assert answer.upper_bound == pytest.approx(bound_of(problem, answer), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(problems("throughput"), st.floats(1.0, 1.5))
def test_a_larger_budget_never_lowers_the_bound(problem: Problem, factor: float) -> None:
    budget = problem["budget_w"] or 2000.0
    less, more = (answer_to(problem | {"budget_w": budget * by}) for by in (1.0, factor))
    assert less.upper_bound is not None
    assert more.upper_bound is not None
    assert more.upper_bound >= less.upper_bound * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(any_problem("efficiency"))
def test_targets_that_fit_together_are_met_with_the_least_power(problem: Problem) -> None:
    answer = answer_to(problem)
    keeps_its_points(problem, answer)
    cheapest = _cheapest(problem)
    if cheapest is not None:
        assert answer.objective == pytest.approx(cheapest)
        assert answer.gap == pytest.approx(0.0, abs=1e-9)
        assert not answer.unmet
    else:
        assert answer.unmet


def _cheapest(problem: Problem) -> float | None:
    """The least power of all choices that meet every target, None where there is none."""
    index = {device["id"]: at for at, device in enumerate(problem["devices"])}
    good = [
        sorted({point[0] for point in device["frontier"] if point[1] >= device["target_tok_s"]})
        for device in problem["devices"]
    ]
    rows = [([index[one["id"]] for one in devices], most) for _, devices, _, most in sums(problem)]
    fitting = (
        sum(choice)
        for choice in product(*(points[:1] for points in good))
        if all(sum(choice[at] for at in row) <= most + TOLERANCE_W for row, most in rows)
    )
    return min(fitting, default=None)


@settings(max_examples=60, deadline=None)
@given(
    any_problem("fair"),
    st.randoms(use_true_random=False),
    st.sampled_from(["fair", "throughput", "efficiency"]),
)
def test_the_order_of_the_file_changes_nothing(problem: Problem, random: Any, policy: str) -> None:
    problem = problem | {"policy": policy}
    shuffled = {
        name: random.sample(value, len(value)) if isinstance(value, list) else value
        for name, value in problem.items()
    }
    assert repr(answer_to(problem)) == repr(answer_to(shuffled))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["fair", "throughput", "efficiency"]).flatmap(
        lambda policy: problems(policy, tenants=True, roomy=False)
    )
)
def test_nobody_is_shed_in_silence_nor_without_need(problem: Problem) -> None:
    """Whoever gets less than its minimum is named, and could not have had it."""
    answer = answer_to(problem)
    for device in problem["devices"]:
        watts = answer.allocations[device["id"]]
        if watts >= device["min_w"] - TOLERANCE_W:
            continue
        assert watts == 0
        assert any(words.startswith(f"{device['id']} is shed") for words in answer.unmet)
        over = [one for one in sums(problem) if any(other is device for other in one[1])]
        # Were the others at their minima or shed, its own would not fit.
        assert any(
            device["min_w"] + sum(_held(answer, one) for one in devices) > most - TOLERANCE_W
            for _, devices, _, most in over
        )
    for name, devices, _, most in sums(problem):
        used = sum(answer.allocations[device["id"]] for device in devices)
        assert used <= most + 1e-4, name


def _held(answer: Answer, device: Problem) -> float:
    return float(min(answer.allocations[device["id"]], device["min_w"]))
