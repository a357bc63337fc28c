"""Rules that every allocation keeps, on random trees of limits."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from orchestrator.domain.allocation.hulls import build_hulls
from orchestrator.domain.allocation.problem import ALLOWED_LOSS, Device, LimitRow, Problem
from orchestrator.domain.allocation.waterfill import allocate

TOLERANCE_W = 1e-5


@st.composite
def limit_trees(draw: st.DrawFn, tight: bool = True) -> tuple[LimitRow, ...]:
    count = draw(st.integers(1, 5))
    rows = []
    for index in range(count):
        parent = None if index == 0 else f"limit-{draw(st.integers(0, index - 1))}"
        limit_w = draw(st.floats(200.0, 6000.0)) if tight else 1e6
        rows.append(LimitRow(f"limit-{index}", parent, limit_w))
    return tuple(rows)


@st.composite
def frontiers(draw: st.DrawFn, first_w: float) -> tuple[tuple[float, float], ...]:
    count = draw(st.integers(1, 5))
    steps = draw(st.lists(st.floats(5.0, 150.0), min_size=count, max_size=count))
    gains = draw(st.lists(st.floats(0.0, 900.0), min_size=count, max_size=count))
    watts = first_w + np.cumsum([0.0, *steps])
    tok_s = 400.0 + np.cumsum([0.0, *gains])
    return tuple(zip(watts.tolist(), tok_s.tolist(), strict=True))


@st.composite
def devices(draw: st.DrawFn, name: str, limits: int) -> Device:
    min_w = draw(st.floats(50.0, 300.0))
    first_w = draw(st.sampled_from([min_w, min_w * 0.7, min_w + 60.0]))
    return Device(
        id=name,
        limits=(f"limit-{draw(st.integers(0, limits - 1))}",),
        min_w=min_w,
        max_w=min_w + draw(st.floats(0.0, 900.0)),
        tier=draw(st.integers(0, 3)),
        priority=draw(st.integers(0, 1)),
        weight=draw(st.sampled_from([0.5, 1.0, 3.0])),
        points=draw(frontiers(first_w)) if draw(st.integers(0, 9)) else (),
    )


@st.composite
def problems(draw: st.DrawFn, tight: bool = True) -> Problem:
    limits = draw(limit_trees(tight))
    count = draw(st.integers(1, 8))
    return Problem(
        limits, tuple(draw(devices(f"node-{index}", len(limits))) for index in range(count))
    )


def ancestors(problem: Problem, device: Device) -> set[str]:
    parents = {limit.id: limit.parent for limit in problem.limits}
    found: set[str] = set()
    todo: list[str | None] = list(device.limits)
    while todo:
        limit = todo.pop()
        if limit is not None:
            found.add(limit)
            todo.append(parents[limit])
    return found


def below(problem: Problem, limit_id: str) -> list[Device]:
    return [device for device in problem.devices if limit_id in ancestors(problem, device)]


def best(problem: Problem, least_w: dict[str, float]) -> float | None:
    """Objective of the linear relaxation by HiGHS, None where it has no solution.

    Each device mixes its points (shares that sum to 1) and draws at least what the mix needs.
    """
    columns = [(d, *point) for d in problem.devices for point in _with_start(d)]
    count, total = len(columns), len(columns) + len(problem.devices)
    worth, bounds = np.zeros(total), [(0.0, 1.0)] * count
    bounds += [(least_w[device.id], device.max_w) for device in problem.devices]
    mixed = np.zeros((len(problem.devices), total))
    needs = np.zeros_like(mixed)
    under = np.zeros((len(problem.limits), total))
    for row, device in enumerate(problem.devices):
        needs[row, count + row] = -1.0
        for column, (owner, watts, tok_s) in enumerate(columns):
            if owner is device:
                worth[column] = device.weight * tok_s
                mixed[row, column], needs[row, column] = 1.0, watts
        for place, limit in enumerate(problem.limits):
            under[place, count + row] = limit.id in ancestors(problem, device)
    solved = linprog(
        -worth,
        A_ub=np.vstack([needs, under]),
        b_ub=[0.0] * len(needs) + [limit.limit_w for limit in problem.limits],
        A_eq=mixed,
        b_eq=np.ones(len(mixed)),
        bounds=bounds,
        method="highs",
    )
    return -float(solved.fun) if solved.status == 0 else None


def _with_start(device: Device) -> tuple[tuple[float, float], ...]:
    first_w, tok_s = device.points[0]
    if device.min_w >= first_w:
        return device.points
    return ((device.min_w, tok_s * device.min_w / first_w), *device.points)


def minima_fit(problem: Problem) -> bool:
    return all(
        sum(device.min_w for device in below(problem, limit.id)) <= limit.limit_w
        for limit in problem.limits
    )


def all_with_points(problem: Problem) -> Problem:
    kept = tuple(
        device if device.points else replace(device, points=((device.min_w, 100.0),))
        for device in problem.devices
    )
    return replace(problem, devices=kept)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_no_limit_is_exceeded_except_by_minima_and_every_device_stays_in_its_range(
    problem: Problem,
) -> None:
    result = allocate(problem)
    for device in problem.devices:
        watts = result.allocations[device.id]
        assert device.min_w - TOLERANCE_W <= watts <= device.max_w + TOLERANCE_W
    for limit in problem.limits:
        under = below(problem, limit.id)
        least_w = sum(device.min_w for device in under)
        used_w = sum(result.allocations[device.id] for device in under)
        assert used_w <= max(limit.limit_w, least_w) + TOLERANCE_W
        named = any(words.startswith(f"{limit.id} is exceeded") for words in result.unmet)
        assert named == (least_w > limit.limit_w + 1e-6)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_nothing_is_left_on_the_table_where_limits_nest(problem: Problem) -> None:
    result = allocate(problem)
    assert 0 <= result.gap <= 1e-9


@settings(max_examples=80, deadline=None)
@given(problems())
def test_without_floors_the_objective_is_that_of_the_linear_relaxation(problem: Problem) -> None:
    """Floors vanish when every device already keeps half of its throughput at its minimum."""
    flat = tuple(
        replace(
            device,
            tier=3,
            points=tuple((watts, 9000.0 + tok_s) for watts, tok_s in device.points),
            min_w=device.points[0][0],
            max_w=max(device.max_w, device.points[0][0]),
        )
        for device in all_with_points(problem).devices
    )
    problem = replace(problem, devices=flat)
    optimum = best(problem, {device.id: device.min_w for device in flat})
    if optimum is not None:
        assert np.isclose(allocate(problem).objective, optimum, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_when_all_floors_fit_they_are_kept_and_the_rest_is_best_used(problem: Problem) -> None:
    problem = all_with_points(problem)
    if not minima_fit(problem):
        return
    by_id = sorted(problem.devices, key=lambda device: device.id)
    hulls = build_hulls(by_id)
    floor_w = {device.id: device.min_w for device in by_id}
    for index, width_w in zip(hulls.below.device, hulls.below.width_w, strict=True):
        floor_w[by_id[index].id] += float(width_w)
    optimum = best(problem, floor_w)
    if optimum is None:
        return
    result = allocate(problem)
    assert result.unmet == ()
    for device in problem.devices:
        assert result.allocations[device.id] >= floor_w[device.id] - TOLERANCE_W
    assert np.isclose(result.objective, optimum, rtol=1e-6)
    assert np.isclose(result.upper_bound, optimum, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(problems(), st.floats(1.0, 1.5))
def test_a_larger_facility_budget_never_buys_less(problem: Problem, factor: float) -> None:
    root, *others = problem.limits
    more = replace(problem, limits=(replace(root, limit_w=root.limit_w * factor), *others))
    assert allocate(more).objective >= allocate(problem).objective * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_limits_and_devices_changes_nothing(problem: Problem, random) -> None:  # type: ignore[no-untyped-def]
    limits, nodes = list(problem.limits), list(problem.devices)
    random.shuffle(limits)
    random.shuffle(nodes)
    shuffled = Problem(tuple(limits), tuple(nodes))
    assert repr(allocate(problem)) == repr(allocate(shuffled)) == repr(allocate(problem))


@settings(max_examples=60, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_two_feeds_break_the_nesting_but_no_limit(problem: Problem, random) -> None:  # type: ignore[no-untyped-def]
    ids = [limit.id for limit in problem.limits]
    nodes = tuple(
        replace(device, limits=(*device.limits, random.choice(ids))) for device in problem.devices
    )
    crossed = replace(problem, devices=nodes)
    result = allocate(crossed)
    for limit in crossed.limits:
        under = below(crossed, limit.id)
        used_w = sum(result.allocations[device.id] for device in under)
        least_w = sum(device.min_w for device in under)
        assert used_w <= max(limit.limit_w, least_w) + TOLERANCE_W
    assert result.objective <= result.upper_bound
    crossed = all_with_points(crossed)
    optimum = best(crossed, {device.id: device.min_w for device in crossed.devices})
    if optimum is not None:
        assert allocate(crossed).objective <= optimum * (1 + 1e-6)


@settings(max_examples=60, deadline=None)
@given(problems(tight=False))
def test_with_watts_for_everybody_everybody_makes_its_most(problem: Problem) -> None:
    result = allocate(problem)
    hulls = build_hulls(sorted(problem.devices, key=lambda device: device.id))
    weight = [device.weight for device in sorted(problem.devices, key=lambda device: device.id)]
    assert np.isclose(result.objective, float(np.dot(weight, hulls.most_tok_s)))
    assert set(result.binding.values()) <= {"its own maximum", "more watts would buy it no tokens"}
    assert max(result.prices.values()) == 0


def test_allowed_losses_are_those_of_the_flexibility_tiers() -> None:
    assert ALLOWED_LOSS == (0.0, 0.10, 0.25, 0.50)
