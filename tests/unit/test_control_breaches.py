"""What the control step does about a breach at the meter."""

import pytest

from orchestrator.control.view import view
from orchestrator.messages import Effect, StoreBreach, StoreDecision
from tests.control_bench import Bench, sends
from tests.site_samples import at


@pytest.fixture
def bench() -> Bench:
    """Four armed nodes that follow, under a meter that reads 5 kW of 6 kW."""
    found = Bench()
    found.metered_w = 5000.0
    found.settle()
    return found


def statuses(effects: list[Effect]) -> list[str]:
    return [e.breach.status for e in effects if isinstance(e, StoreBreach)]


def test_an_escalated_breach_cuts_every_node_to_fail_safe_in_the_same_step(bench: Bench) -> None:
    bench.metered_w = 6050.0
    bench.run(28)
    effects: list[Effect] = []
    while "escalated" not in statuses(effects):
        effects = bench.run(0.25)
    assert sends(effects, "decrease")
    assert all(agent.enforced_w <= 600 for agent in bench.agents.values())
    (decision,) = (e.decision for e in effects if isinstance(e, StoreDecision))
    assert decision.cause == "breach escalated: 4 nodes to fail-safe"
    assert bench.now_s == pytest.approx(12 + 30.5, abs=0.51)


def test_it_is_shown_while_it_stands_and_nodes_are_raised_after_it(bench: Bench) -> None:
    bench.metered_w = 6050.0
    bench.run(35)
    (shown,) = view(bench.state, at(bench.now_s)).breaches
    assert (shown.limit_id, shown.status, shown.worst_w) == ("site", "escalated", 50.0)
    bench.metered_w = 3000.0
    assert statuses(bench.run(11))[-1] == "resolved"
    bench.run(240)
    assert view(bench.state, at(bench.now_s)).breaches == ()
    assert all(agent.enforced_w > 1000 for agent in bench.agents.values())


def test_a_dead_meter_keeps_the_measures_in_force(bench: Bench) -> None:
    bench.metered_w = 6050.0
    bench.run(35)
    bench.metered_w = None
    bench.run(60)
    (shown,) = view(bench.state, at(bench.now_s)).breaches
    assert (shown.status, shown.known) == ("escalated", False)
    assert all(agent.enforced_w <= 600 for agent in bench.agents.values())


def test_without_a_breach_nothing_is_stored(bench: Bench) -> None:
    assert statuses(bench.effects + bench.run(60)) == []
