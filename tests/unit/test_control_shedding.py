"""When the site is shed by one broadcast, for how long, and how it ends."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from orchestrator.control.shedding import CANARY_EVERY_S
from orchestrator.control.view import view
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.shed import Shed
from orchestrator.domain.shed_table import LEVELS
from orchestrator.messages import (
    Effect,
    LockoutsChanged,
    SendShed,
    SignalCancelled,
    SignalReceived,
)
from tests.control_bench import SETTINGS, Bench, sends
from tests.site_samples import at, signal


def broadcasts(effects: Iterable[Effect]) -> list[Shed]:
    return [effect.shed for effect in effects if isinstance(effect, SendShed)]


def sheds(effects: Iterable[Effect]) -> list[Shed]:
    return [shed for shed in broadcasts(effects) if not shed.canary]


def emergency(name: str = "sos") -> SignalReceived:
    return SignalReceived(signal(name, None, kind="emergency", ends_s=900), stored=False)


def limit(value: float, name: str = "one") -> SignalReceived:
    return SignalReceived(signal(name, value, ends_s=900), stored=False)


@pytest.fixture
def bench() -> Bench:
    """Four armed nodes that follow, near 6 kW."""
    found = Bench()
    found.settle()
    return found


def test_an_emergency_is_broadcast_before_any_setpoint(bench: Bench) -> None:
    effects = bench.step(emergency())
    assert isinstance(effects[0], SendShed)
    assert len(sends(effects, "decrease")) == 4


def test_an_emergency_of_one_rack_travels_as_setpoints_alone(bench: Bench) -> None:
    one = replace(signal("rack", None, kind="emergency", ends_s=900), limit_id="rack-1")
    assert not sheds(bench.step(SignalReceived(one, stored=False)))


def test_the_level_keeps_the_firm_limit(bench: Bench) -> None:
    (shed,) = sheds(bench.step(emergency()))
    table = bench.state.broadcasts.table(bench.state.topology)
    caps_w = [table.of(name).cap_w(shed.level) + 100 for name in bench.agents]
    assert sum(caps_w) + 200 <= 3200
    assert shed.level < LEVELS
    assert shed.table == table.hash


def test_a_deep_cut_of_most_nodes_is_broadcast_too(bench: Bench) -> None:
    assert len(sheds(bench.step(limit(3500.0)))) == 1


def test_a_small_correction_travels_as_setpoints_alone(bench: Bench) -> None:
    effects = bench.step(limit(5700.0))
    assert sends(effects, "decrease")
    assert not sheds(effects)


def test_a_cut_of_half_the_nodes_travels_as_setpoints_alone(bench: Bench) -> None:
    one = replace(signal("rack", 1500.0, ends_s=900), limit_id="rack-1")
    effects = bench.step(SignalReceived(one, stored=False))
    assert {s.node for s in sends(effects, "decrease")} == {"a", "b"}
    assert not sheds(effects)


def test_nothing_is_broadcast_but_canaries_while_nothing_is_armed() -> None:
    bench = Bench(armed=frozenset())
    bench.settle()
    effects = [*bench.step(emergency()), *bench.run(5)]
    assert not sheds(effects)
    assert broadcasts(bench.effects)


def test_every_emergency_is_broadcast_once(bench: Bench) -> None:
    first = sheds([*bench.step(emergency()), *bench.run(3)])
    second = sheds([*bench.step(emergency("again")), *bench.run(3)])
    assert (len(first), len(second)) == (1, 1)
    assert second[0].fence > first[0].fence


def test_it_is_repeated_until_every_node_that_is_heard_shows_it(bench: Bench) -> None:
    bench.agents["d"].lost = True
    sent = sheds([*bench.step(emergency()), *bench.run(3)])
    assert len(sent) >= 3
    assert len(set(sent)) == 1
    bench.agents["d"].lost = False
    bench.run(2)
    assert not sheds(bench.run(5))


@pytest.mark.parametrize("gone", ["silent", "locked"])
def test_nobody_waits_for_a_node_that_is_silent_or_locked(bench: Bench, gone: str) -> None:
    bench.agents["d"].lost = True
    bench.step(emergency())
    if gone == "silent":
        bench.agents["d"].mute = True
    else:
        bench.step(LockoutsChanged(frozenset({"d"})))
    bench.run(SETTINGS.stale_s + 1)
    assert not sheds(bench.run(2))


def test_it_is_repeated_for_one_ttl_at_most(bench: Bench) -> None:
    bench.agents["d"].lost = True
    bench.step(emergency())
    bench.run(SETTINGS.ttl_s + 1)
    assert not sheds(bench.run(10))


def test_a_broadcast_alone_frees_nothing(bench: Bench) -> None:
    before_w = {name: bench.charged_w(name) for name in bench.agents}
    for agent in bench.agents.values():
        agent.deaf = True
    bench.step(emergency())
    for agent in bench.agents.values():
        agent.shed = Fence(1, 999)
    bench.run(1)
    assert {name: bench.charged_w(name) for name in bench.agents} == before_w


def test_setpoints_name_the_shed_that_their_decision_needed(bench: Bench) -> None:
    effects = bench.step(emergency())
    (shed,) = sheds(effects)
    assert {s.releases_shed for s in sends(effects)} == {shed.fence}


def test_a_renewal_does_not_end_a_shed_that_its_node_does_not_show_yet(bench: Bench) -> None:
    low = replace(signal("low", 1000.0, ends_s=900), limit_id="rack-2")
    bench.step(SignalReceived(low, stored=True))
    bench.run(3)
    bench.agents["c"].lost = bench.agents["d"].lost = True
    effects = [*bench.step(emergency()), *bench.run(SETTINGS.ttl_s / 2)]
    renewed = [s for s in sends(effects, "renewal") if s.node in "cd"]
    assert renewed
    assert sheds(effects)
    assert {s.releases_shed for s in renewed} == {None}


def test_a_shed_that_a_node_shows_is_named_even_by_a_leader_that_never_sent_it() -> None:
    bench = Bench(epoch=5)
    for agent in bench.agents.values():
        agent.shed = Fence(3, 7)
    bench.settle()
    assert sends(bench.effects)[-1].releases_shed == Fence(3, 7)


def test_an_agent_that_never_showed_the_fast_path_is_sent_no_field_that_it_may_not_know() -> None:
    bench = Bench()
    for agent in bench.agents.values():
        agent.lost, agent.canary = True, None
    bench.settle()
    effects = bench.step(emergency())
    assert {s.releases_shed for s in sends(effects, "decrease")} == {None}


def test_after_a_shed_raises_wait_for_the_ledger_as_ever(bench: Bench) -> None:
    bench.step(emergency())
    bench.run(3)
    bench.commits = False
    bench.step(SignalCancelled(signal("sos").key))
    assert not sends(bench.run(5), "raise")


def test_broadcasts_of_a_later_leader_come_after_all_before_them(bench: Bench) -> None:
    first = bench.state.broadcasts.begin(1, 3, "t", "d", 0.0)
    later = Bench(epoch=2).state.broadcasts.begin(2, 3, "t", "d", 0.0)
    assert later.fence > first.fence


def test_a_canary_is_broadcast_every_ten_seconds(bench: Bench) -> None:
    found = [shed for shed in broadcasts(bench.run(3 * CANARY_EVERY_S)) if shed.canary]
    assert len(found) == 3
    assert len({shed.fence for shed in found}) == 3


def sheddable(bench: Bench) -> dict[str, bool]:
    return {node.id: node.sheddable for node in view(bench.state, at(bench.now_s)).nodes}


def test_a_node_that_echoes_no_canary_or_an_old_one_is_not_sheddable(bench: Bench) -> None:
    assert sheddable(bench) == dict.fromkeys("abcd", True)
    bench.agents["a"].lost = True
    bench.run(2 * CANARY_EVERY_S)
    assert sheddable(bench)["a"]
    bench.run(CANARY_EVERY_S + 1)
    assert sheddable(bench) == {"a": False, "b": True, "c": True, "d": True}


def test_a_silent_node_is_not_sheddable(bench: Bench) -> None:
    bench.agents["a"].mute = True
    bench.run(SETTINGS.stale_s + 1)
    assert not sheddable(bench)["a"]


def test_a_node_that_is_not_sheddable_gets_its_setpoint_and_counts_at_its_target() -> None:
    bench = Bench()
    bench.agents["a"].lost, bench.agents["a"].canary = True, None
    bench.settle()
    effects = bench.step(limit(4000.0))
    cut_w = {s.node: s.limit_w for s in sends(effects, "decrease")}
    assert "a" in cut_w
    (shed,) = sheds(effects)
    table = bench.state.broadcasts.table(bench.state.topology)
    assert cut_w["a"] + sum(table.of(name).cap_w(shed.level) for name in "bcd") + 600 <= 4000
