"""A node is given back only if its nameplate fits, and as carefully as any raise."""

import pytest

from integrations.wire import codec
from orchestrator.domain.setpoint import Setpoint
from orchestrator.messages import (
    CommitGrants,
    Effect,
    EpochSeen,
    GrantFailed,
    LockoutsChanged,
    ReleaseRequested,
    SignalReceived,
    TakenOver,
)
from orchestrator.ports import Takeover
from tests.control_bench import SETTINGS, TICK_S, Bench, sends
from tests.site_samples import signal

GIVE_BACK = (LockoutsChanged(frozenset({"a"})), ReleaseRequested("a"))


@pytest.fixture
def bench() -> Bench:
    """Four nodes at 1000 W; every other one has to hold still for a to fit at 1400 W."""
    found = Bench()
    found.settle()
    found.step(SignalReceived(signal(value=5000.0, ends_s=None), stored=True))
    found.run(5)
    return found


def releases(effects: list[Effect]) -> list[Setpoint]:
    return [setpoint for setpoint in sends(effects) if setpoint.release]


def grants(effects: list[Effect]) -> list[float]:
    found = [e for e in effects if isinstance(e, CommitGrants)]
    return [g.limit_w for e in found for g in e.grants if g.node == "a"]


def test_it_is_written_ahead_and_then_sent_at_nameplate(bench: Bench) -> None:
    assert releases(bench.step(*GIVE_BACK)) == []
    (sent,) = releases(bench.run(5))
    assert grants(bench.effects)[-1] == 1400
    assert (sent.node, sent.limit_w, sent.ttl_s) == ("a", 1400.0, SETTINGS.ttl_s)
    assert (bench.status("a"), bench.charged_w("a")) == ("locked", 1400)


def test_others_make_room_before_it_is_granted(bench: Bench) -> None:
    """They hold on to their watts for a moment; nothing is granted meanwhile."""
    for name in "bcd":
        bench.agents[name].deaf = True
    assert grants(bench.step(*GIVE_BACK)) == []
    assert releases(bench.run(5)) == []
    for name in "bcd":
        bench.agents[name].deaf = False
    assert releases(bench.run(10))


def test_nothing_is_sent_while_the_ledger_does_not_hold_it(bench: Bench) -> None:
    bench.commits = False
    bench.step(*GIVE_BACK)
    assert releases(bench.run(10)) == []


def test_a_commit_that_failed_is_asked_again(bench: Bench) -> None:
    bench.commits = False
    bench.step(*GIVE_BACK)
    bench.run(3)
    (failed,) = bench.waiting
    assert not isinstance(failed, GrantFailed)
    bench.waiting.clear()
    bench.commits = True
    bench.step(GrantFailed("a", failed.fence))  # type: ignore[union-attr]
    assert releases(bench.run(3))


def test_it_is_not_sent_once_a_limit_has_fallen_below_it(bench: Bench) -> None:
    bench.commits = False
    bench.step(*GIVE_BACK)
    bench.run(3)
    answers = list(bench.waiting)
    low = SignalReceived(signal("low", 2500.0, issued_s=60, ends_s=None), stored=False)
    assert releases(bench.step(low, *answers)) == []
    bench.commits = True
    assert releases(bench.run(3)) == []


def test_it_is_sent_again_until_it_is_followed_with_newer_fences(bench: Bench) -> None:
    bench.agents["a"].deaf = True
    bench.step(*GIVE_BACK)
    sent = releases(bench.run(6))
    assert len(sent) >= 3
    assert [s.fence for s in sent] == sorted({s.fence for s in sent})
    bench.agents["a"].deaf = False
    assert releases(bench.run(3))
    assert releases(bench.run(10)) == []


def test_it_is_dropped_after_a_minute_and_when_the_lockout_ends(bench: Bench) -> None:
    bench.agents["a"].deaf = True
    bench.step(*GIVE_BACK)
    bench.run(65)
    assert releases(bench.run(5)) == []
    bench.step(*GIVE_BACK)
    assert releases(bench.run(3))
    bench.step(LockoutsChanged(frozenset()))
    assert releases(bench.run(5)) == []


def test_a_node_that_is_not_locked_out_is_not_given_back(bench: Bench) -> None:
    bench.step(ReleaseRequested("a"))
    assert releases(bench.run(5)) == []


def test_a_silent_node_and_a_superseded_leader_wait(bench: Bench) -> None:
    bench.agents["a"].mute = True
    bench.run(SETTINGS.stale_s + TICK_S)
    bench.step(*GIVE_BACK)
    assert releases(bench.run(5)) == []
    bench.agents["a"].mute = False
    bench.step(EpochSeen(5))
    assert releases(bench.run(5)) == []
    bench.step(TakenOver(Takeover(6, {})))
    assert releases(bench.run(SETTINGS.ttl_s - TICK_S)) == []
    assert {s.fence.epoch for s in releases(bench.run(10))} == {6}


def test_an_older_agent_reads_every_setpoint_but_a_release() -> None:
    bench = Bench()
    bench.settle()
    (plain, *_) = sends(bench.effects)
    assert b"release" not in codec.SETPOINT.encode(plain)
    assert codec.SETPOINT.decode(codec.SETPOINT.encode(plain)) == plain
    bench.step(*GIVE_BACK)
    (given, *_) = releases(bench.run(5))
    assert codec.SETPOINT.decode(codec.SETPOINT.encode(given)) == given
