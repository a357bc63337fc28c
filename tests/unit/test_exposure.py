"""Exposure: watts are charged before they are sent, and freed by evidence alone."""

import pytest

from orchestrator.domain.exposure import (
    Hold,
    NodeExposure,
    draws_under_w,
    inherited,
    is_current,
    observe,
    restored,
    with_hold,
    with_sent,
    without_hold,
)
from orchestrator.domain.setpoint import Fence
from tests.site_samples import node, report, two_racks

HOST = node("a")
SETTLE_S = 1.0


def evidenced(watts: float) -> NodeExposure:
    return observe(NodeExposure(), report(enforced_w=watts), SETTLE_S)


def hold(sequence: int, watts: float, incarnation: str = "run-1") -> Hold:
    return Hold(Fence(1, sequence), watts, incarnation)


def follows(exposure: NodeExposure, sequence: int, watts: float, stamp_s: float) -> NodeExposure:
    """A settled report that names setpoint 1.sequence."""
    seen = report(enforced_w=watts, stamp_s=stamp_s, fence=Fence(1, sequence), lease="held")
    return observe(exposure, seen, SETTLE_S)


def test_a_node_of_which_nothing_is_known_is_charged_at_nameplate() -> None:
    assert NodeExposure().limit_w(HOST) == 1400
    assert restored(None, epoch=3).limit_w(HOST) == 1400


def test_a_raise_is_charged_before_it_is_sent_and_a_cut_frees_nothing_yet() -> None:
    raised = with_hold(evidenced(500), hold(1, 900))
    assert raised.limit_w(HOST) == 900
    assert with_sent(evidenced(900), hold(1, 500)).limit_w(HOST) == 900


def test_a_cut_is_freed_when_a_settled_report_names_it() -> None:
    cut = with_sent(evidenced(900), hold(1, 500))
    assert follows(cut, 1, 500, 1.0).limit_w(HOST) == 500


def test_a_report_from_before_the_cut_frees_nothing() -> None:
    exposure = with_sent(with_sent(evidenced(500), hold(1, 900)), hold(2, 500))
    assert follows(exposure, 1, 900, 1.0).limit_w(HOST) == 900
    assert observe(exposure, report(enforced_w=500, stamp_s=1), SETTLE_S).limit_w(HOST) == 900


def test_a_lower_read_back_counts_when_it_has_settled() -> None:
    young = report(enforced_w=500, stamp_s=1, settled_s=0.9)
    old = report(enforced_w=500, stamp_s=2, settled_s=1.0)
    assert observe(evidenced(900), young, SETTLE_S).limit_w(HOST) == 900
    assert observe(evidenced(900), old, SETTLE_S).limit_w(HOST) == 500


def test_a_higher_read_back_counts_at_once() -> None:
    seen = report(enforced_w=1300, stamp_s=1, settled_s=0.0)
    assert observe(evidenced(500), seen, SETTLE_S).limit_w(HOST) == 1300


@pytest.mark.parametrize("enforced_w", [500.0, None])
def test_what_a_write_or_a_lease_may_still_bring_counts(enforced_w: float | None) -> None:
    """Even when no card answered."""
    writing = report(enforced_w=enforced_w, pending_w=1100, stamp_s=1)
    leased = report(enforced_w=enforced_w, lease="held", limit_w=1200, stamp_s=1)
    over = report(enforced_w=enforced_w, lease="expired", limit_w=1200, stamp_s=1)
    assert observe(evidenced(500), writing, SETTLE_S).limit_w(HOST) == 1100
    assert observe(evidenced(500), leased, SETTLE_S).limit_w(HOST) == 1200
    assert observe(evidenced(500), over, SETTLE_S).limit_w(HOST) == 500


def test_cards_that_do_not_answer_free_nothing() -> None:
    silent = report(enforced_w=None, stamp_s=1)
    assert observe(evidenced(900), silent, SETTLE_S).limit_w(HOST) == 900
    assert observe(NodeExposure(), silent, SETTLE_S).limit_w(HOST) == 1400


def test_a_withdrawn_raise_leaves_what_was_sent_before_it_charged() -> None:
    """A raise that waits for the ledger takes no older setpoint with it."""
    sent = with_sent(evidenced(500), hold(1, 900))
    waiting = with_hold(sent, hold(2, 1200))
    assert without_hold(waiting, Fence(1, 2)).limit_w(HOST) == 900


def test_sending_drops_what_it_covers() -> None:
    exposure = with_sent(with_sent(evidenced(500), hold(1, 900)), hold(2, 900))
    assert exposure.holds == (hold(2, 900),)
    assert with_sent(exposure, hold(3, 600)).holds == (hold(2, 900), hold(3, 600))


def test_a_new_incarnation_frees_nothing_until_it_follows() -> None:
    """It may be an old one, long replaced, whose report was late."""
    exposure = follows(with_sent(evidenced(500), hold(1, 900)), 1, 900, 1.0)
    other = report(enforced_w=400, incarnation="run-0", stamp_s=9)
    doubted = observe(exposure, other, SETTLE_S)
    assert doubted.limit_w(HOST) == 900
    addressed = with_sent(doubted, hold(2, 900, "run-0"))
    follower = report(
        enforced_w=400, incarnation="run-0", stamp_s=10, fence=Fence(1, 2), lease="held"
    )
    assert observe(addressed, follower, SETTLE_S).limit_w(HOST) == 400


def test_a_setpoint_to_another_incarnation_stays_charged_until_the_new_one_follows() -> None:
    exposure = with_sent(evidenced(500), hold(1, 900))
    restarted = report(enforced_w=500, incarnation="run-2", stamp_s=1)
    assert observe(exposure, restarted, SETTLE_S).limit_w(HOST) == 900


def test_reports_that_are_late_repeated_or_of_an_ended_incarnation_are_not_current() -> None:
    exposure = observe(evidenced(500), report(stamp_s=5), SETTLE_S)
    assert not is_current(exposure, report(stamp_s=5))
    assert not is_current(exposure, report(stamp_s=4))
    assert is_current(exposure, report(stamp_s=5.5))
    moved_on = observe(exposure, report(incarnation="run-2", stamp_s=1), SETTLE_S)
    assert not is_current(moved_on, report(stamp_s=99))


def test_after_a_takeover_what_the_ledger_held_counts_until_the_new_epoch_is_followed() -> None:
    exposure = restored(900.0, epoch=4)
    seen = observe(exposure, report(enforced_w=500, fence=Fence(3, 77)), SETTLE_S)
    assert seen.limit_w(HOST) == 900
    obeyed = report(enforced_w=500, stamp_s=1, fence=Fence(4, 1), lease="held")
    assert observe(seen, obeyed, SETTLE_S).limit_w(HOST) == 500


def test_what_another_leader_held_meanwhile_is_charged_on_top() -> None:
    assert inherited(evidenced(500), 1200.0, epoch=3).limit_w(HOST) == 1200


def test_draws_add_up_towards_the_root() -> None:
    limits_w = {"a": 1000.0, "b": 400.0, "c": 500.0, "d": 600.0}
    found = draws_under_w(two_racks(), limits_w)
    assert found == {"rack-1": 1600.0, "rack-2": 1300.0, "site": 2900.0}
