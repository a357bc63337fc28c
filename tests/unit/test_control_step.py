"""The control step: what goes out, when, and what is charged meanwhile."""

from dataclasses import replace

import pytest

from orchestrator.control.intake import absorb
from orchestrator.domain.decision import decide
from orchestrator.domain.events import EventRecord
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.telemetry import Description
from orchestrator.domain.timeline import Bound
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    EpochSeen,
    GrantCommitted,
    GrantFailed,
    LockoutsChanged,
    LowerLedger,
    NodeDescribed,
    NodeOffline,
    SignalCancelled,
    SignalReceived,
    StepDown,
    StoreDecision,
    StoreEvent,
    TakenOver,
)
from orchestrator.ports import Takeover
from tests.control_bench import SETTINGS, TICK_S, Bench, sends
from tests.site_samples import at, signal

TTL_S = SETTINGS.ttl_s


@pytest.fixture
def bench() -> Bench:
    """Four armed nodes that follow; 6 kW are almost enough for all of them."""
    found = Bench()
    found.settle()
    return found


def described(name: str) -> Description:
    """The first words of a node whose boot gate is proven."""
    return Description(name, "run-1", "0.1.0", "dense", ("x", "y"), 400, 1400, 1400, True, ("cap",))


def decisions(effects: list[Effect]) -> list[str]:
    return [e.decision.cause for e in effects if isinstance(e, StoreDecision)]


def events(effects: list[Effect]) -> list[EventRecord]:
    return [e.event for e in effects if isinstance(e, StoreEvent)]


def site_bound(bench: Bench) -> Bound:
    return bench.state.bounds["site"]


def test_the_first_decision_waits_for_the_fleet() -> None:
    bench = Bench()
    bench.agents["d"].mute = True
    assert decisions(bench.run(2 * SETTINGS.stale_s - TICK_S)) == []
    bench.agents["d"].mute = False
    assert decisions(bench.run(TICK_S)) == ["first decision"]


def test_the_first_decision_does_not_wait_for_ever() -> None:
    bench = Bench()
    bench.agents["d"].mute = True
    assert decisions(bench.run(2 * SETTINGS.stale_s)) == ["first decision"]


def test_a_decision_replays_to_the_same_outcome(bench: Bench) -> None:
    found = [e.decision for e in bench.effects if isinstance(e, StoreDecision)]
    assert found
    assert all(decide(decision.inputs) == decision.outcome for decision in found)


def test_a_cut_goes_out_in_the_step_that_hears_of_it(bench: Bench) -> None:
    effects = bench.step(SignalReceived(signal(value=3000.0), stored=False))
    cut = sends(effects, "decrease")
    assert len(cut) == 4
    assert sum(s.limit_w + 100 for s in cut) + 200 <= 3000


def test_a_cut_does_not_wait_for_the_pace_of_decisions(bench: Bench) -> None:
    for count, watts in enumerate((5500.0, 5000.0, 4500.0, 4000.0)):
        bench.now_s += 0.01
        one = signal(f"cut-{count}", watts, issued_s=count)
        assert sends(bench.step(SignalReceived(one, stored=False)), "decrease")


def test_cuts_come_before_everything_that_is_written(bench: Bench) -> None:
    effects = bench.step(SignalReceived(signal(value=3000.0), stored=True))
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds[:5] == ["SendShed"] + ["SendSetpoint"] * 4
    assert {"StoreEvent", "StoreDecision"} <= set(kinds[5:])


def test_a_raise_waits_for_the_ledger() -> None:
    bench = Bench()
    bench.commits = False
    assert sends(bench.run(TTL_S + 1), "raise") == []
    granted = [g for e in bench.effects if isinstance(e, CommitGrants) for g in e.grants]
    assert bench.charged_w(granted[0].node) == granted[0].limit_w
    bench.commits = True
    sent = sends(bench.run(TICK_S), "raise")
    assert {(s.node, s.limit_w, s.fence) for s in sent} <= {
        (g.node, g.limit_w, g.fence) for g in granted
    }


def test_a_grant_that_failed_is_not_sent_and_not_charged() -> None:
    bench = Bench()
    bench.commits = False
    bench.run(TTL_S + TICK_S)
    failed = [GrantFailed(i.node, i.fence) for i in bench.waiting if isinstance(i, GrantCommitted)]
    before_w = {item.node: bench.charged_w(item.node) for item in failed}
    bench.state.raises_from_s = float("inf")
    assert failed
    assert sends(bench.step(*failed), "raise") == []
    assert all(bench.charged_w(name) == 1000 < w for name, w in before_w.items())


def test_a_failed_grant_leaves_what_was_sent_before_charged() -> None:
    """A raise to 1250 W is out and unheard; a second one, to the top, fails."""
    bench = Bench()
    bench.agents["a"].deaf = True
    bench.step(SignalReceived(signal(value=4500.0, ends_s=900), stored=True))
    bench.settle()
    (raised_w,) = {s.limit_w for s in sends(bench.effects, "raise") if s.node == "a"}
    bench.commits = False
    bench.step(SignalCancelled(signal().key))
    bench.run(2 * TICK_S)
    (grant,) = [g for e in bench.effects[-9:] if isinstance(e, CommitGrants) for g in e.grants
                if g.node == "a"]  # fmt: skip
    assert bench.charged_w("a") == grant.limit_w > raised_w
    absorb(bench.state, GrantFailed("a", grant.fence), at(bench.now_s))
    assert bench.charged_w("a") == raised_w > bench.agents["a"].enforced_w


def test_leases_are_renewed_every_third_of_their_time(bench: Bench) -> None:
    sent = sends(bench.run(3 * TTL_S))
    assert {s.node for s in sent} == set(bench.agents)
    assert 7 <= sum(s.node == "a" for s in sent) <= 9
    assert {s.limit_w for s in sent if s.node == "a"} == {bench.agents["a"].enforced_w}


def test_a_slow_ledger_keeps_no_lease_from_being_renewed(bench: Bench) -> None:
    bench.step(SignalReceived(signal(value=4000.0), stored=True))
    bench.commits = False
    bench.step(SignalCancelled(signal().key))
    bench.run(3)
    assert bench.state.nodes["a"].pending is not None
    renewed = [s for s in sends(bench.run(TTL_S), "renewal") if s.node == "a"]
    assert len(renewed) >= 2


def test_a_setpoint_that_got_lost_is_sent_again(bench: Bench) -> None:
    bench.agents["a"].deaf = True
    (first,) = [
        s for s in sends(bench.step(SignalReceived(signal(value=3000.0), stored=True)))
        if s.node == "a"
    ]  # fmt: skip
    again = [s for s in sends(bench.run(1.5)) if s.node == "a"]
    assert [s.limit_w for s in again] == [first.limit_w]
    assert again[0].fence > first.fence


def test_sequences_rise_for_every_node(bench: Bench) -> None:
    bench.run(20)
    for name in bench.agents:
        fences = [s.fence for s in sends(bench.effects) if s.node == name]
        assert fences == sorted(set(fences))


def test_a_silent_node_is_charged_at_nameplate_and_the_others_make_room(bench: Bench) -> None:
    bench.step(SignalReceived(signal(value=4500.0, ends_s=900), stored=True))
    bench.run(3)
    bench.agents["a"].mute = True
    effects = bench.run(SETTINGS.stale_s + TICK_S)
    assert bench.status("a") == "silent"
    assert bench.charged_w("a") == 1400
    assert sends(effects, "decrease")
    assert 1500 + sum(bench.agents[name].enforced_w + 100 for name in "bcd") + 200 <= 4500


def test_a_silent_node_behind_a_boot_gate_is_charged_at_what_it_may_hold_or_boots_with() -> None:
    bench = Bench(boot_gated=True)
    bench.run(10)
    for agent in bench.agents.values():
        bench.step(NodeDescribed(described(agent.name)))
        agent.mute = True
    bench.run(SETTINGS.stale_s + TICK_S)
    held_w = bench.agents["a"].enforced_w
    assert bench.status("a") == "silent"
    assert bench.charged_w("a") == held_w < 1400
    low = bench.state.nodes["b"]
    low.exposure = replace(low.exposure, evidenced_w=400.0, holds=())
    assert bench.charged_w("b") == 600


def test_a_last_will_is_silence_at_once(bench: Bench) -> None:
    bench.step(NodeOffline("a"))
    assert (bench.status("a"), bench.charged_w("a")) == ("silent", 1400)


def test_a_node_that_comes_back_stays_where_it_is_until_the_next_decision(bench: Bench) -> None:
    """What it was charged at while silent is no target."""
    bench.agents["a"].mute = True
    bench.run(SETTINGS.stale_s + 1)
    bench.agents["a"].mute = False
    bench.agents["a"].enforced_w = 600.0
    effects = bench.run(2 * TICK_S)
    asked = [g.node for e in effects if isinstance(e, CommitGrants) for g in e.grants]
    assert "a" not in asked
    assert [s.limit_w for s in sends(effects) if s.node == "a" and s.limit_w > 600] == []


def test_shadow_sends_nothing_and_decides_all_the_same() -> None:
    bench = Bench(armed=frozenset())
    effects = bench.run(20)
    assert sends(effects) == []
    assert decisions(effects) == ["first decision"]
    assert bench.charged_w("a") == 1400


def test_racks_are_armed_one_by_one() -> None:
    bench = Bench(armed=frozenset())
    bench.run(10)
    bench.step(ArmingChanged(frozenset({"rack-2"})))
    assert {s.node for s in sends(bench.run(10))} == {"c", "d"}
    assert bench.status("a") == "shadow"
    bench.step(ArmingChanged(frozenset({"rack-1", "rack-2"})))
    assert {s.node for s in sends(bench.run(10))} == {"a", "b", "c", "d"}


def test_nothing_is_sent_to_a_locked_node(bench: Bench) -> None:
    bench.step(LockoutsChanged(frozenset({"a"})))
    bench.step(SignalReceived(signal(value=3000.0), stored=True))
    sent = sends(bench.run(10))
    assert "a" not in {s.node for s in sent}
    assert bench.charged_w("a") == 1400


@pytest.mark.parametrize(
    "change",
    [
        LockoutsChanged(frozenset({"a", "b", "c", "d"})),
        ArmingChanged(frozenset()),
        EpochSeen(9),
        SignalReceived(signal(value=3000.0), stored=False),
    ],
)
def test_a_raise_that_was_overtaken_is_not_sent_when_the_ledger_answers(
    change: LockoutsChanged | ArmingChanged | EpochSeen | SignalReceived,
) -> None:
    bench = Bench()
    bench.commits = False
    bench.run(TTL_S + TICK_S)
    answers = list(bench.waiting)
    assert answers
    bench.step(change)
    assert sends(bench.step(*answers), "raise") == []


def test_a_foreign_hand_is_reported_and_not_fought(bench: Bench) -> None:
    bench.agents["a"].extra = {"foreign": ("gpu-0",), "enforced_w": 1390.0, "limit_w": 900.0}
    effects = bench.run(10)
    assert (bench.status("a"), bench.charged_w("a")) == ("foreign", 1400)
    assert [s for s in sends(effects) if s.node == "a"] == []


def test_a_write_of_our_own_is_no_foreign_hand(bench: Bench) -> None:
    """A card that somebody lowered before does not make every cut look like a raise."""
    bench.agents["a"].extra = {"foreign": ("gpu-0",), "limit_w": 900.0, "pending_w": 1300.0}
    bench.run(1)
    assert bench.status("a") == "following"


def test_a_takeover_renews_at_once_and_raises_nothing_for_a_ttl() -> None:
    bench = Bench(held_w={"a": 1000.0, "b": 1000.0, "c": 1000.0, "d": 1000.0}, epoch=7)
    for agent in bench.agents.values():
        agent.fence, agent.lease, agent.highest_epoch = Fence(6, 5), "held", 6
    effects = bench.run(TTL_S - TICK_S)
    assert sends(effects, "raise") == []
    assert not any(isinstance(effect, CommitGrants) for effect in effects)
    first = {s.node: s.limit_w for s in sends(effects, "renewal")}
    assert first == dict.fromkeys("abcd", 1000.0)
    assert sends(bench.run(3), "raise")


def test_a_higher_epoch_makes_a_leader_step_down_until_it_leads_anew(bench: Bench) -> None:
    assert StepDown(9) in bench.step(EpochSeen(9))
    assert not any(isinstance(e, StepDown) for e in bench.step(EpochSeen(10)))
    bench.agents["a"].enforced_w = 500.0
    quiet = bench.run(TTL_S)
    assert sends(quiet) == []
    assert not any(isinstance(e, CommitGrants | LowerLedger) for e in quiet)
    bench.step(TakenOver(Takeover(11, {})))
    effects = bench.run(TTL_S - TICK_S)
    assert {s.fence.epoch for s in sends(effects)} == {11}
    assert sends(effects, "raise") == []


def test_a_superseded_leader_still_cuts(bench: Bench) -> None:
    bench.step(EpochSeen(9))
    sent = sends(bench.step(SignalReceived(signal(value=3000.0), stored=False)))
    assert len(sent) == 4


def test_an_agent_that_knows_a_higher_epoch_makes_a_leader_step_down(bench: Bench) -> None:
    bench.agents["b"].highest_epoch = 4
    assert StepDown(4) in bench.run(TICK_S)


def test_an_epoch_that_a_node_knows_before_we_have_sent_it_anything_was_led_before() -> None:
    """As when an old copy of the database gives out an epoch for the second time."""
    bench = Bench(held_w=dict.fromkeys("abcd", 1000.0), epoch=7)
    bench.agents["b"].highest_epoch = 7
    assert StepDown(8) in bench.run(TICK_S)


def test_a_setpoint_of_our_epoch_that_we_have_not_sent_yet_was_sent_by_another(
    bench: Bench,
) -> None:
    bench.agents["b"].deaf = True
    bench.agents["b"].fence = Fence(1, bench.state.sequence + 50)
    assert StepDown(2) in bench.run(TICK_S)


def test_a_leader_that_leads_anew_charges_what_others_granted_meanwhile(bench: Bench) -> None:
    bench.step(SignalReceived(signal(value=3000.0), stored=True))
    bench.run(5)
    assert bench.charged_w("a") < 1200
    bench.step(EpochSeen(2), TakenOver(Takeover(3, {"a": 1200.0})))
    assert bench.charged_w("a") == 1200
    bench.run(TTL_S)
    assert bench.charged_w("a") < 1200


def test_a_site_that_may_only_tighten_does_so_under_every_epoch(bench: Bench) -> None:
    bench.state.raises_from_s = float("inf")
    bench.step(EpochSeen(2), TakenOver(Takeover(3, {})))
    assert bench.state.raises_from_s == float("inf")


def test_an_old_cut_that_arrives_late_is_not_undone_without_a_grant(bench: Bench) -> None:
    """The agent holds less than was sent; its watts may be somebody else's by now."""
    bench.agents["a"].enforced_w = 500.0
    bench.agents["a"].changed_s = bench.now_s
    bench.state.raises_from_s = float("inf")
    sent = [s for s in sends(bench.run(TTL_S)) if s.node == "a"]
    assert {s.limit_w for s in sent} == {500.0}
    assert bench.charged_w("a") == 500


def test_a_node_whose_cards_do_not_answer_is_cut_all_the_same() -> None:
    bench = Bench()
    bench.agents["a"].extra = {"enforced_w": None}
    bench.run(TTL_S)
    sent = sends(bench.step(SignalReceived(signal(value=3000.0), stored=False)), "decrease")
    assert "a" in {s.node for s in sent} | {s.node for s in sends(bench.effects, "decrease")}


def test_what_is_not_heard_of_is_sent_again_ever_more_slowly(bench: Bench) -> None:
    """Else a path that is slower than the first resend would be kept busy with resends for ever."""
    bench.run(1)
    bench.agents["a"].deaf = True
    sent = [s for s in sends(bench.run(40)) if s.node == "a"]
    assert 40 / (SETTINGS.ttl_s / 3) <= len(sent) <= 40 / (SETTINGS.ttl_s / 3) + 3
