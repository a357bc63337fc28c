"""How a meter that shows more than is modelled moves decisions."""

import pytest

from orchestrator.domain.decision import decide
from orchestrator.messages import StoreDecision
from orchestrator.store.canonical import decode, encode
from tests.control_bench import Bench, sends


@pytest.fixture
def bench() -> Bench:
    """Four armed nodes whose reports, overheads and bounds explain what the meter shows."""
    found = Bench()
    found.settle()
    drawn_w = sum(agent.enforced_w + 100 for agent in found.agents.values())
    found.metered_w = drawn_w + 200
    found.run(10)
    return found


def enforced_w(bench: Bench) -> float:
    return sum(agent.enforced_w for agent in bench.agents.values())


def test_what_is_explained_trims_nothing(bench: Bench) -> None:
    assert bench.state.bounds["site"].reason == "contract limit"
    assert enforced_w(bench) == pytest.approx(6000 - 200 - 400, abs=1)


def test_what_nobody_explains_is_cut_within_two_decisions_and_replays(bench: Bench) -> None:
    assert bench.metered_w is not None
    before_w = enforced_w(bench)
    bench.metered_w += 300
    effects = bench.run(5)
    assert sends(effects, "decrease")
    assert before_w - enforced_w(bench) == pytest.approx(300, abs=1)
    assert bench.state.bounds["site"].limit_w == 6000
    assert "300 W more than modelled" in bench.state.bounds["site"].reason
    decision = [e.decision for e in effects if isinstance(e, StoreDecision)][-1]
    assert decision.inputs.trims_w == {"site": 300.0}
    stored = decode(type(decision.inputs), encode(decision.inputs))
    assert encode(decide(stored)) == encode(decision.outcome)


def test_nothing_is_raised_into_what_is_trimmed(bench: Bench) -> None:
    assert bench.metered_w is not None
    bench.metered_w += 300
    bench.run(5)
    cut_w = enforced_w(bench)
    bench.metered_w -= 300
    assert sends(bench.run(10), "raise") == []
    assert enforced_w(bench) == cut_w
