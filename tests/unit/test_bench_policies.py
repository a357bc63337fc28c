"""The policies that are compared, on the simulated plant."""

from functools import cache

import pytest

from integrations.twin.node import Deployment
from orchestrator.bench.pals.judge import judge
from orchestrator.bench.pals.one_node import Setup, policies, prepare, with_moved
from orchestrator.bench.pals.oracle import clairvoyant
from orchestrator.bench.plant.cases import NO_BUDGET_W, PAPER_CAPS_W, Case, deployments, only
from orchestrator.bench.plant.node_run import run
from orchestrator.bench.plant.schedule import in_turn, offered


@cache
def setup() -> Setup:
    deployment = Deployment("A100", "gpt2", 4)
    return prepare(Case(deployment, deployment.coefficients, 1), "saturated", 180.0)


@pytest.mark.parametrize("name", ["fixed", "batch only", "cap only", "paper", "ballast"])
def test_every_policy_keeps_a_budget(name: str) -> None:
    case = setup().case
    schedule = in_turn((0.5,), 100.0, 1500.0, 60.0)
    requests = offered(case.deployment, "saturated", schedule, 1)
    found = run(case.plant(requests), policies(setup())[name], schedule)
    assert max(found.wall_j[4:]) / 0.5 <= 1500.0 * 1.005


def test_ballast_serves_the_targets_for_fewer_joules_than_a_fixed_setting() -> None:
    case, found = setup().case, {}
    requests = offered(case.deployment, "saturated", setup().schedule, 1)
    for name in ("fixed", "ballast"):
        done = run(case.plant(requests), policies(setup())[name], setup().schedule)
        found[name] = judge(done, setup().objectives)
    assert found["ballast"].tok_j > 1.05 * found["fixed"].tok_j
    assert found["ballast"].short <= 0.06


def test_the_oracle_is_no_worse_than_any_point_it_may_hold() -> None:
    case, schedule = setup().case, in_turn((0.6,), 790.0, NO_BUDGET_W, 60.0)
    requests = offered(case.deployment, "saturated", schedule, 1)
    best, chosen = clairvoyant(
        case.plant(requests), schedule, case.grid(), setup().objectives, case.wall
    )
    fixed = judge(
        run(case.plant(requests), policies(setup())["fixed"], schedule), setup().objectives
    )
    assert judge(best, setup().objectives).tok_j >= fixed.tok_j
    assert chosen[0] in case.grid()


def test_the_paper_runs_on_its_own_36_candidates() -> None:
    case = setup().case
    assert case.caps_w == PAPER_CAPS_W
    assert len(case.grid()) == 36
    assert len(only(setup().model, case.grid()).points) == 36


def test_a_moved_coefficient_makes_another_plant() -> None:
    moved = with_moved(setup().case, "base_ms", 1.2)
    assert moved.coefficients.base_ms == pytest.approx(1.2 * setup().case.coefficients.base_ms)
    assert moved.deployment == setup().case.deployment


def test_every_deployment_of_the_bench_is_known_to_the_twin() -> None:
    assert len(deployments()) == 12
