"""What a lease takes, refuses and becomes."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from agents.core.lease import (
    MAX_DESCENT_S,
    MIN_DESCENT_S,
    Lease,
    Terms,
    advance,
    interrupt,
    receive,
)
from orchestrator.domain.setpoint import Fence, Setpoint

TERMS = Terms("n1", fail_safe_w=2000.0)
FRESH = Lease("run1")
NOW_S = 100.0
FIRST, FIFTH = Fence(1, 1), Fence(2, 5)


def setpoint(
    limit_w: float = 3000.0,
    *,
    node: str = "n1",
    fence: Fence = FIRST,
    incarnation: str = "run1",
    stamp_s: float = 99.0,
    ttl_s: float = 10.0,
    release: bool | None = None,
) -> Setpoint:
    return Setpoint(node, limit_w, None, ttl_s, fence, incarnation, stamp_s, "d", release=release)


def held(limit_w: float = 3000.0, fence: Fence = FIFTH) -> Lease:
    lease, ack = receive(TERMS, FRESH, setpoint(limit_w, fence=fence), 5600.0, NOW_S)
    assert ack.accepted
    return lease


def test_a_setpoint_that_keeps_every_rule_arms_and_holds_until_stamp_plus_ttl() -> None:
    lease = held()
    assert (lease.armed, lease.status, lease.ceiling_w) == (True, "held", 3000.0)
    assert lease.ends_s == 109.0
    assert lease.fence == Fence(2, 5)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (setpoint(4000, fence=Fence(2, 6), incarnation="run0"), "incarnation"),
        (setpoint(4000, fence=Fence(1, 9)), "epoch 1 is over"),
        (setpoint(4000, fence=Fence(2, 5)), "not newer"),
        (setpoint(3000, fence=Fence(2, 4)), "not newer"),
        (setpoint(4000, fence=Fence(2, 6), stamp_s=100.5), "future"),
        (setpoint(4000, fence=Fence(2, 6), stamp_s=80.0), "ended"),
        (setpoint(100, fence=Fence(2, 6), node="n2"), "node n2"),
    ],
)
def test_a_raise_or_renewal_that_breaks_a_rule_is_refused_in_words(
    sent: Setpoint, reason: str
) -> None:
    before = held()
    lease, ack = receive(TERMS, before, sent, 3000.0, NOW_S)
    assert not ack.accepted
    assert reason in ack.reason
    assert replace(lease, highest_epoch=before.highest_epoch) == before


@pytest.mark.parametrize(
    "sent",
    [
        setpoint(2500, fence=Fence(1, 9)),
        setpoint(2500, fence=Fence(2, 5), incarnation="run0"),
        setpoint(2500, fence=Fence(2, 4), stamp_s=0.0),
    ],
)
def test_a_tightening_is_taken_against_every_rule_but_moves_no_fence_back(sent: Setpoint) -> None:
    before = held()
    lease, ack = receive(TERMS, before, sent, 3000.0, NOW_S)
    assert ack.accepted
    assert (lease.ceiling_w, lease.fence, lease.ends_s) == (2500.0, Fence(2, 5), before.ends_s)


def test_a_tightening_in_order_moves_the_fence_even_without_granting_a_lease() -> None:
    lease, _ = receive(
        TERMS, held(), setpoint(2500, fence=Fence(2, 7), incarnation="run0"), 3000.0, NOW_S
    )
    assert lease.fence == Fence(2, 7)


def test_without_a_lease_a_tightening_is_measured_against_the_enforced_sum() -> None:
    old = setpoint(2500, incarnation="run0")
    lease, ack = receive(TERMS, FRESH, old, 2600.0, NOW_S)
    assert (ack.accepted, lease.status, lease.ceiling_w) == (True, "expired", 2500.0)
    _, ack = receive(TERMS, FRESH, old, 2400.0, NOW_S)
    assert not ack.accepted


def test_the_same_setpoint_again_is_acknowledged_without_effect() -> None:
    before = held()
    assert before.setpoint is not None
    lease, ack = receive(TERMS, before, before.setpoint, 3000.0, NOW_S)
    assert (ack.accepted, lease) == (True, before)


def test_an_epoch_once_seen_is_remembered_even_when_refused() -> None:
    lease, _ = receive(
        TERMS, held(), setpoint(4000, fence=Fence(7, 1), incarnation="x"), None, NOW_S
    )
    assert lease.highest_epoch == 7
    _, ack = receive(TERMS, lease, setpoint(4000, fence=Fence(6, 1)), None, NOW_S)
    assert not ack.accepted


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_lease_ends_in_a_descent_of_a_few_seconds_to_fail_safe(jitter: float) -> None:
    terms = Terms("n1", 2000.0, jitter)
    lease, ceilings = held(), []
    for tenth in range(80):
        lease = advance(terms, lease, 3000.0, 109.0 + tenth / 10)
        ceilings.append(lease.ceiling_w or 0.0)
    assert lease.status == "expired"
    assert ceilings == sorted(ceilings, reverse=True)
    assert (ceilings[0], ceilings[-1]) == (3000.0, 2000.0)
    took_s = ceilings.index(2000.0) / 10
    assert MIN_DESCENT_S <= took_s <= MAX_DESCENT_S + 0.1
    assert max(a - b for a, b in pairwise(ceilings)) < 60.0


def test_a_lease_below_fail_safe_ends_where_it_is() -> None:
    lease = advance(TERMS, held(1500.0), 1400.0, 200.0)
    assert lease.ceiling_w == 1400.0


def test_a_node_that_was_armed_starts_at_the_lower_of_enforced_and_fail_safe() -> None:
    armed = Lease("run2", armed=True)
    assert advance(TERMS, armed, 5600.0, NOW_S).ceiling_w == 2000.0
    assert advance(TERMS, armed, 1500.0, NOW_S).ceiling_w == 1500.0
    assert advance(TERMS, armed, None, NOW_S).ceiling_w == 2000.0


def test_a_node_that_was_never_armed_has_no_ceiling() -> None:
    assert advance(TERMS, FRESH, 5600.0, NOW_S) == FRESH


def test_an_interruption_ends_the_lease_and_refuses_what_was_based_on_the_old_name() -> None:
    lease = interrupt(TERMS, held(), "run1.1", 3000.0, 105.0)
    assert (lease.status, lease.incarnation, lease.ceiling_w) == ("expired", "run1.1", 3000.0)
    _, ack = receive(TERMS, lease, setpoint(4000, fence=Fence(2, 6)), 3000.0, 105.0)
    assert not ack.accepted


def test_without_a_lease_the_ceiling_follows_every_limit_that_falls() -> None:
    lease = advance(TERMS, held(), 3000.0, 109.0)
    lease = advance(TERMS, lease, 1200.0, 109.5)
    assert advance(TERMS, lease, 3000.0, 120.0).ceiling_w == 1200.0


def test_a_tightening_that_grants_no_lease_leads_on_to_fail_safe() -> None:
    lease, _ = receive(TERMS, FRESH, setpoint(2500, incarnation="run0"), 5600.0, NOW_S)
    for second in range(8):
        lease = advance(TERMS, lease, lease.ceiling_w, NOW_S + second)
    assert lease.ceiling_w == 2000.0


RELEASE = setpoint(5600.0, fence=Fence(2, 6), release=True)


def released() -> Lease:
    lease, ack = receive(TERMS, held(), RELEASE, 3000.0, NOW_S)
    assert ack.accepted
    return lease


def test_a_release_is_a_lease_until_it_ends_without_a_descent() -> None:
    lease = released()
    assert (lease.releasing, lease.ceiling_w, lease.status) == (True, 5600.0, "held")
    over = advance(TERMS, lease, 5600.0, RELEASE.ends_s)
    assert (over.status, over.armed, over.ceiling_w, over.descent) == ("none", False, None, None)
    assert over.fence == RELEASE.fence
    assert advance(TERMS, over, 5600.0, RELEASE.ends_s + 60.0) == over


@pytest.mark.parametrize(
    "change",
    [
        {"fence": Fence(1, 9)},
        {"fence": FIFTH},
        {"stamp_s": 80.0},
        {"incarnation": "run0"},
    ],
)
def test_a_release_that_is_old_or_expired_is_refused(change: dict[str, Any]) -> None:
    lease, ack = receive(TERMS, held(), replace(RELEASE, **change), 3000.0, NOW_S)
    assert not ack.accepted
    assert not lease.releasing
    assert lease.ceiling_w == 3000.0


@pytest.mark.parametrize("fence", [Fence(1, 1), Fence(2, 7)])
def test_a_tightening_voids_a_release_whatever_its_epoch(fence: Fence) -> None:
    lease, _ = receive(TERMS, released(), setpoint(2500.0, fence=fence), 5600.0, NOW_S)
    assert (lease.releasing, lease.ceiling_w) == (False, 2500.0)
    over = advance(TERMS, lease, 2500.0, RELEASE.ends_s)
    assert (over.status, over.armed) == ("expired", True)


def test_a_gap_in_a_release_ends_in_fail_safe() -> None:
    lease = interrupt(TERMS, released(), "run1.1", 5600.0, NOW_S)
    assert (lease.status, lease.armed) == ("expired", True)
    low = advance(TERMS, lease, 5600.0, NOW_S + MAX_DESCENT_S)
    assert low.ceiling_w == TERMS.fail_safe_w


def test_after_a_release_a_new_setpoint_arms_again() -> None:
    over = advance(TERMS, released(), 5600.0, RELEASE.ends_s)
    again = setpoint(3000.0, fence=Fence(2, 7), stamp_s=RELEASE.ends_s)
    lease, ack = receive(TERMS, over, again, 5600.0, RELEASE.ends_s)
    assert ack.accepted
    assert (lease.armed, lease.status) == (True, "held")
