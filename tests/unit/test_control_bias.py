"""What nodes show enters decisions as it was learned, and is stored with them."""

from orchestrator.control.step import BIAS_MOVED
from orchestrator.control.view import view
from orchestrator.domain.calibration import Bias
from orchestrator.domain.decision import DecisionInputs, decide
from orchestrator.domain.frontier import Candidate, Frontier, pareto
from orchestrator.messages import Effect, FrontiersChanged, SignalReceived, StoreDecision
from orchestrator.store.canonical import decode, encode
from tests.control_bench import Bench
from tests.site_samples import at, signal

CAPS_W = (200.0, 300.0, 400.0, 500.0, 600.0, 700.0)


def model(version: str = "v1") -> tuple[dict[str, Frontier], dict[str, Frontier]]:
    points = [
        Candidate(cap_w, batch, 2 * cap_w, 4 * cap_w**0.8 * batch**0.2)
        for cap_w in CAPS_W
        for batch in (8, 32)
    ]
    best = pareto("dense", version, 2, points, tok_s_band=0.05, power_band=0.05)
    return {"dense": best}, {"dense": Frontier("dense", version, 2, tuple(points))}


class Plant(Bench):
    """Four nodes with full queues; each serves its factor times what the model expects."""

    def __init__(self, **factors: float) -> None:
        super().__init__()
        self.factors = {name: factors.get(name, 1.0) for name in self.agents}
        self.step(FrontiersChanged(*model()))

    def run(self, seconds: float) -> list[Effect]:
        found: list[Effect] = []
        for _ in range(round(seconds)):
            for name, agent in self.agents.items():
                cap_w = agent.enforced_w / 2
                served = 4 * cap_w**0.8 * 32**0.2 * self.factors[name]
                agent.extra = {"tok_s": served, "running": 32, "waiting": 64, "batch_limit": 32}
            found += super().run(1.0)
        return found


def decisions(effects: list[Effect]) -> list[StoreDecision]:
    return [effect for effect in effects if isinstance(effect, StoreDecision)]


def target_w(bench: Bench, name: str) -> float:
    assert bench.state.decision is not None
    return next(t.limit_w for t in bench.state.decision.outcome.targets if t.node == name)


def test_a_node_that_serves_less_than_its_model_gets_fewer_watts() -> None:
    honest, slow = Plant(), Plant(a=0.7)
    honest.run(200)
    slow.run(200)
    assert target_w(slow, "a") < target_w(honest, "a") - 50
    assert target_w(slow, "b") > target_w(honest, "b")


def test_the_learned_bias_is_an_input_of_the_decision_and_replays_from_its_stored_text() -> None:
    bench = Plant(a=0.7)
    stored = decisions(bench.run(200))
    moved = [effect.decision for effect in stored if effect.decision.cause == BIAS_MOVED]
    assert moved
    inputs = moved[-1].inputs
    assert inputs.biases.keys() == {"a"}
    assert inputs.biases["a"] != Bias()
    again = decode(DecisionInputs, encode(inputs))
    assert encode(decide(again)) == encode(moved[-1].outcome)


def test_decisions_do_not_flap_once_the_bias_is_learned() -> None:
    bench = Plant(a=0.7)
    bench.run(300)
    assert decisions(bench.run(600)) == []


def test_a_new_model_begins_without_a_bias() -> None:
    bench = Plant(a=0.7)
    bench.run(200)
    bench.step(FrontiersChanged(*model("v2")))
    bench.run(5)
    assert bench.state.decision is not None
    assert bench.state.decision.inputs.biases == {}


def test_operators_see_bias_and_drift() -> None:
    bench = Plant(a=0.7)
    bench.run(300)
    nodes = {node.id: node for node in view(bench.state, at(bench.now_s)).nodes}
    assert nodes["a"].tok_s_bias < 0.8
    assert nodes["a"].drift_s > 200
    assert (nodes["b"].tok_s_bias, nodes["b"].drift_s) == (1.0, 0.0)


def test_below_the_profiled_range_nothing_is_expected_and_the_decision_says_so() -> None:
    high = [Candidate(cap_w, 32, 2 * cap_w, 10 * cap_w) for cap_w in (600.0, 700.0)]
    bench = Bench()
    bench.step(FrontiersChanged({"dense": pareto("dense", "v1", 2, high)}))
    bench.step(SignalReceived(signal(value=3600.0, ends_s=None), stored=True))
    bench.settle()
    assert bench.state.decision is not None
    low = [t for t in bench.state.decision.outcome.targets if t.limit_w < 1190]
    assert low
    for target in low:
        assert target.tok_s is None
        assert "below the profiled range" in target.reason
