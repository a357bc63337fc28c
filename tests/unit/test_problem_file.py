"""The problem file: its defaults, what is noted, and what is refused by name."""

import json
from typing import Any

import numpy as np
import pytest

from orchestrator.domain.allocation.policies import assembly, document
from orchestrator.domain.allocation.policies.assembly import read_instance
from orchestrator.domain.errors import InvalidInput, TooLarge
from tests.allocation_problems import answer_to

SITE = {"id": "site", "parent": None, "limit_w": 1_000.0}
NODE = {"id": "a", "limits": ["site"], "min_w": 100.0, "max_w": 400.0}


def changed(**changes: Any) -> dict[str, Any]:
    return {"policy": "fair", "limits": [SITE], "devices": [NODE]} | changes


def test_absent_fields_have_defaults() -> None:
    frontier = [[50.0, 10.0], [300.0, 90.0]]
    instance = read_instance(
        json.dumps(changed(devices=[{"id": "a", "frontier": frontier}], limits=[])).encode()
    )
    assert (instance.min_w[0], instance.max_w[0], instance.request_w[0]) == (0.0, 300.0, 300.0)
    assert (instance.tier[0], instance.priority[0], instance.weight[0]) == (1, 0, 1.0)
    assert instance.active[0]
    assert np.isnan(instance.target_tok_s[0])
    assert np.isinf(instance.nest.room_w[0])


def test_null_is_the_same_as_absent() -> None:
    node = NODE | {"request_w": None, "frontier": None, "weight": None}
    answer = answer_to(changed(devices=[node], budget_w=None, tenants=None))
    assert answer.allocations == {"a": 400.0}


def test_a_request_is_clipped_to_the_range_of_its_device() -> None:
    node = NODE | {"request_w": 5_000.0}
    assert answer_to(changed(devices=[node])).objective == 0


def test_a_limit_above_its_parents_is_no_error_and_noted() -> None:
    rack = {"id": "rack", "parent": "site", "limit_w": 2_000.0}
    answer = answer_to(changed(limits=[SITE, rack], devices=[NODE | {"limits": ["rack"]}]))
    assert answer.notes == (
        "limit rack never binds: its 2,000 W are more than the 1,000 W of site",
    )


def test_a_frontier_out_of_order_is_sorted_and_noted_and_points_keep_their_index() -> None:
    bent = NODE | {"frontier": [[300.0, 90.0], [200.0, 95.0], [100.0, 10.0]]}
    answer = answer_to(changed(policy="throughput", devices=[bent]))
    assert answer.points == {"a": 1}
    assert answer.allocations == {"a": 200.0}
    assert answer.notes == (
        (
            "frontiers that do not rise in watts and tok/s were sorted, "
            "and points that buy nothing left out: a"
        ),
    )


def test_points_beyond_the_maximum_are_never_chosen_and_below_the_minimum_cost_it() -> None:
    node = NODE | {"frontier": [[50.0, 10.0], [90.0, 20.0], [500.0, 90.0]]}
    answer = answer_to(changed(policy="throughput", devices=[node]))
    assert answer.points == {"a": 1}
    assert answer.allocations == {"a": 100.0}


def test_a_limit_named_twice_or_with_one_around_it_counts_once() -> None:
    rack = {"id": "rack", "parent": "site", "limit_w": 900.0}
    node = NODE | {"limits": ["rack", "site", "rack"]}
    answer = answer_to(changed(limits=[SITE, rack], devices=[node]))
    assert answer.allocations == {"a": 400.0}
    assert answer.gap == 0


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ([], "a problem must be a JSON object"),
        ({"policy": "best"}, "policy must be one of fair, throughput, efficiency, got \"best\""),
        (changed(polcy=1), "problem: unknown key 'polcy'"),
        (changed(devices={}), "devices must be a list"),
        (changed(devices=[1]), "a device must be a JSON object, got 1"),
        (changed(devices=[{"id": ""}]), "a device needs an id of 1 to 255 characters"),
        (changed(devices=[NODE | {"watts": 1}]), "device: unknown key 'watts'"),
        (changed(devices=[NODE, NODE]), "device ids are used twice: a"),
        (changed(limits=[SITE, SITE]), "limit ids are used twice: site"),
        (changed(limits=[]), "device a: unknown limit site"),
        (changed(limits=[SITE | {"parent": "x"}]), "limit site: unknown parent x"),
        (changed(limits=[SITE | {"parent": "site"}]), "limits form a cycle: site -> site"),
        (changed(limits=[{"id": "site"}]), "limit site: limit_w must be a number, got null"),
        (changed(limits=[SITE | {"limit_w": -1}]), "limit_w must be finite and not negative"),
        (changed(limits=[SITE | {"id": "budget_w"}]), "stands for the budget"),
        (changed(budget_w="9 kW"), "budget_w must be a number, got \"9 kW\""),
        (changed(budget_w=10**400), "budget_w is larger than any number of use"),
        (changed(devices=[NODE | {"min_w": 500}]), "device a: needs min_w <= max_w"),
        (changed(devices=[{"id": "a", "limits": []}]), "device a: needs max_w or a frontier"),
        (changed(devices=[NODE | {"min_w": True}]), "device a: min_w must be a number, got true"),
        (changed(devices=[NODE | {"active": 1}]), "active must be true or false, got 1"),
        (changed(devices=[NODE | {"priority": 0.5}]), "priority must be a whole number"),
        (changed(devices=[NODE | {"priority": 2**40}]), "priority must be from"),
        (changed(devices=[NODE | {"tier": 4}]), "device a: tier must be from 0 to 3, got 4"),
        (changed(devices=[NODE | {"weight": 0}]), "device a: weight must be above 0"),
        (changed(devices=[NODE | {"limits": "site"}]), "limits must be a list of ids"),
        (changed(devices=[NODE | {"limits": [1]}]), "limits must be a list of ids, got \\[1\\]"),
        (changed(devices=[NODE | {"frontier": [[1]]}]), "must be a list of \\[watts, tok/s\\]"),
        (changed(devices=[NODE | {"frontier": [["1", 2]]}]), "a list of \\[watts, tok/s\\]"),
        (changed(devices=[NODE | {"frontier": [[1, -2]]}]), "finite numbers, none negative"),
        (changed(tenants=[{"id": "t", "devices": ["b"]}]), "tenant t: unknown device b"),
        (
            changed(tenants=[{"id": "t", "devices": ["a"], "min_w": 2, "max_w": 1}]),
            "tenant t: needs min_w <= max_w",
        ),
    ],
)  # fmt: skip
def test_bad_problems_are_refused_by_name(problem: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        answer_to(problem)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"policy": "fair", "budget_w": NaN}', "budget_w must be finite .* got NaN"),
        (b'{"policy": "fair", "budget_w": 9, "budget_w": 1}', "'budget_w' stands twice"),
        (b'{"policy": "fair", "budget_w": -Infinity}', "budget_w must be finite .* got -Infinity"),
        (b'{"policy": "fair", "budget_w": 1e999}', "budget_w must be finite"),
        (b'{"policy": ', "the problem is not JSON"),
        (b"\xff\xfe\x00", "the problem is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"policy": "fair", "budget_w": ' + b"9" * 5000 + b"}", "the problem is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_instance(raw)


def test_more_than_memory_is_meant_for_is_refused_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 1_000)
    with pytest.raises(TooLarge, match="the problem has 1,001 bytes: at most 1,000"):
        read_instance(b" " * 1_001)
    monkeypatch.setattr(document, "MAX_DEVICES", 1)
    with pytest.raises(TooLarge, match="2 devices: at most 1, split the facility"):
        answer_to(changed(devices=[NODE, NODE | {"id": "b"}]))
    monkeypatch.setattr(assembly, "MAX_ROWS", 0)
    with pytest.raises(InvalidInput, match="1 tenants and limits that cut across"):
        answer_to(changed(tenants=[{"id": "t", "devices": ["a"], "max_w": 200.0}]))
