"""What alarms ask for, and how the control step sheds by them."""

from dataclasses import replace

import pytest

from orchestrator.domain.alarms import HOLD_S, AlarmRule, cleared, with_ceiling
from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.ramping import RampRules
from orchestrator.domain.signals import Alarm, Signal
from orchestrator.messages import SignalReceived
from tests.control_bench import SETTINGS, Bench, sends
from tests.site_samples import at, signal, two_racks

RULES: dict[Alarm, AlarmRule] = {
    "cooling": AlarmRule(4000.0),
    "breaker": AlarmRule(2000.0, "rack-1"),
}


def alarm(
    kind: Alarm = "cooling",
    *,
    name: str = "one",
    limit_id: str | None = None,
    issued_s: float = 0.0,
) -> Signal:
    plain = signal(name, ends_s=None, source="bms", limit_id=limit_id, issued_s=issued_s)
    raised = replace(plain, kind="alarm", value=None, alarm=kind)
    return with_ceiling(raised, RULES, two_racks())


@pytest.fixture
def bench() -> Bench:
    found = Bench(settings=replace(SETTINGS, ramp=RampRules(down_w_per_s=1.0)))
    found.settle()
    return found


def site_w(bench: Bench) -> float:
    return bench.state.bounds["site"].limit_w


@pytest.mark.parametrize(
    ("raised", "limit_id", "limit_w"),
    [
        (alarm("cooling"), "site", 4000.0),
        (alarm("breaker"), "rack-1", 2000.0),
        (alarm("generator"), "site", 3200.0),
        (alarm("cooling", limit_id="rack-2"), "rack-2", 2 * 700.0),
    ],
)
def test_settings_say_where_and_how_low_else_what_is_guaranteed(
    raised: Signal, limit_id: str, limit_w: float
) -> None:
    assert (raised.limit_id, raised.value) == (limit_id, limit_w)


def test_only_alarms_name_an_alarm() -> None:
    with pytest.raises(InvalidSignal, match="ups_on_battery"):
        replace(signal(), kind="alarm")
    with pytest.raises(InvalidSignal, match="no other kind"):
        replace(signal(), alarm="cooling")


def test_an_alarm_sheds_in_its_own_step_past_every_ramp(bench: Bench) -> None:
    effects = bench.step(SignalReceived(alarm(), stored=False))
    assert sends(effects, "decrease")
    assert site_w(bench) == 4000
    assert sum(agent.enforced_w + 100 for agent in bench.agents.values()) <= 4000 - 200


def test_two_alarms_of_one_source_both_hold(bench: Bench) -> None:
    first, second = alarm("generator", name="a"), alarm("cooling", name="b", issued_s=9.0)
    bench.step(SignalReceived(first, stored=True), SignalReceived(second, stored=True))
    assert site_w(bench) == 3200


def test_a_cleared_alarm_holds_for_a_minute_more(bench: Bench) -> None:
    bench.step(SignalReceived(alarm(), stored=True))
    bench.run(300)
    assert site_w(bench) == 4000
    over = cleared(alarm(), at(bench.now_s).utc)
    bench.step(SignalReceived(over, stored=True))
    bench.run(HOLD_S - 0.25)
    assert site_w(bench) == 4000
    bench.run(0.5)
    assert site_w(bench) == 6000
    assert cleared(over, at(bench.now_s).utc) == over


def test_an_alarm_is_an_event_that_recovers(bench: Bench) -> None:
    bench.metered_w = 5000.0
    bench.run(6)
    bench.step(SignalReceived(alarm(), stored=True))
    bench.step(SignalReceived(cleared(alarm(), at(bench.now_s).utc), stored=True))
    bench.run(HOLD_S + 0.25)
    assert "recovery" in bench.state.bounds["site"].reason
    assert site_w(bench) == 5000
