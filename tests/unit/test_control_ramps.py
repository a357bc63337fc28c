"""The control step on declared site ramps."""

from dataclasses import replace

from orchestrator.domain.ramping import RampRules
from orchestrator.messages import SignalCancelled, SignalReceived, StoreShortfall
from tests.control_bench import SETTINGS, Bench, sends
from tests.site_samples import signal


def ramped(**changes: float) -> Bench:
    rules = RampRules(up_w_per_s=100.0, down_w_per_s=300.0)
    bench = Bench(settings=replace(SETTINGS, recovery_s=0.0, ramp=replace(rules, **changes)))
    bench.settle()
    return bench


def drawn_w(bench: Bench) -> float:
    return sum(agent.enforced_w + 100 for agent in bench.agents.values()) + 200


def test_a_planned_cut_goes_down_in_steps_and_is_met_by_its_deadline() -> None:
    bench = ramped()
    asked = signal(value=4500.0, ends_s=900, starts_s=bench.now_s, deadline_s=5.0)
    first = bench.step(SignalReceived(asked, stored=True))
    assert sends(first, "decrease")
    assert 5000 < drawn_w(bench) < 6000
    effects = bench.run(12)
    assert drawn_w(bench) <= 4500
    assert [e for e in effects if isinstance(e, StoreShortfall)] == []


def test_an_emergency_is_met_in_its_own_step() -> None:
    bench = ramped()
    bench.step(SignalReceived(signal(kind="emergency", value=None), stored=False))
    assert drawn_w(bench) <= 3200


def test_a_release_climbs_and_nodes_take_turns() -> None:
    bench = ramped()
    bench.step(SignalReceived(signal(value=4000.0, ends_s=900), stored=True))
    bench.run(8)
    bench.step(SignalCancelled(signal().key))
    together = 0
    for second in range(1, 16):
        for _ in range(4):
            together = max(together, len(sends(bench.run(0.25), "raise")))
        assert drawn_w(bench) <= 4000 + 100 * second + 1
    assert drawn_w(bench) > 5000
    assert together < 4
