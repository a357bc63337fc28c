"""What the shed slot takes, keeps and gives up."""

from dataclasses import replace

import pytest

from agents.core import lease as leases
from agents.core.lease import Lease, Terms
from agents.core.shed import Sheds, Slot, hear, learn, release, reported
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.shed import NO_LEVEL, NodeTable, Shed
from tests.site_samples import report

TERMS = Terms("n1", fail_safe_w=1000.0)
TABLE = NodeTable("n1", "abc", (2500.0, 1800.0, 1000.0, 600.0))
SHEDS = Sheds(table=TABLE)
NOW_S = 100.0


def setpoint(limit_w: float = 3000.0, sequence: int = 1, *, epoch: int = 2,
             releases: Fence | None = None) -> Setpoint:  # fmt: skip
    fence = Fence(epoch, sequence)
    return Setpoint("n1", limit_w, None, 10.0, fence, "run1", 99.0, "d", releases)


def take(lease: Lease, sent: Setpoint) -> Lease:
    return leases.receive(TERMS, lease, sent, 3000.0, NOW_S)[0]


def shed(level: int, sequence: int = 1, *, epoch: int = 2, table: str = "abc") -> Shed:
    return Shed(Fence(epoch, sequence), level, table, "d")


HELD = take(Lease("run1"), setpoint())


def heard(sheds: Sheds, *sent: Shed, lease: Lease = HELD) -> Sheds:
    for one in sent:
        sheds, lease = hear(TERMS, sheds, lease, one, 3000.0)
    return sheds


def test_a_shed_lowers_the_ceiling_in_force_to_its_level() -> None:
    assert heard(SHEDS, shed(2)).ceiling_w(HELD) == 1800.0


def test_the_ceiling_is_the_lower_of_lease_and_slot() -> None:
    lower = take(HELD, setpoint(700.0, 2))
    assert heard(SHEDS, shed(2)).ceiling_w(lower) == 700.0


def test_a_shed_of_an_old_epoch_tightens_but_does_not_move_the_fence_back() -> None:
    slot = heard(SHEDS, shed(1, epoch=3), shed(3, 9, epoch=1)).slot
    assert slot == Slot(Fence(3, 1), 3, 1000.0)


@pytest.mark.parametrize("later", [shed(1, 2), shed(1, 1), shed(1, 9, epoch=1)])
def test_no_shed_loosens_another(later: Shed) -> None:
    assert heard(SHEDS, shed(3), later).ceiling_w(HELD) == 1000.0


@pytest.mark.parametrize("sheds", [Sheds(), SHEDS])
def test_without_the_table_that_is_meant_it_is_the_lower_of_fail_safe_and_what_is_in_force(
    sheds: Sheds,
) -> None:
    assert heard(sheds, shed(1, table="other")).ceiling_w(HELD) == 1000.0
    lower = take(HELD, setpoint(700.0, 2))
    assert heard(sheds, shed(1, table="other"), lease=lower).slot.cap_w == 700.0


def test_a_table_that_arrives_later_does_not_loosen() -> None:
    sheds = learn(TERMS, heard(Sheds(), shed(1)), TABLE)
    assert heard(sheds, shed(1)).ceiling_w(HELD) == 1000.0


def test_the_table_of_another_node_is_not_taken() -> None:
    assert learn(TERMS, Sheds(), replace(TABLE, node="n2")).table is None


def test_a_node_that_was_never_armed_is_not_moved() -> None:
    fresh = Lease("run1")
    sheds, lease = hear(TERMS, SHEDS, fresh, shed(4), 3000.0)
    assert sheds.ceiling_w(lease) is None
    assert sheds.slot == Slot()


def test_a_canary_moves_nothing_and_the_newest_is_remembered() -> None:
    first, second = shed(NO_LEVEL, 5), shed(NO_LEVEL, 6, table="unknown")
    sheds = heard(SHEDS, second, first)
    assert (sheds.canary, sheds.ceiling_w(HELD)) == (Fence(2, 6), 3000.0)


def test_a_broadcast_shows_a_newer_leader_to_the_lease() -> None:
    _, lease = hear(TERMS, SHEDS, HELD, shed(NO_LEVEL, epoch=7), 3000.0)
    assert lease.highest_epoch == 7


@pytest.mark.parametrize(
    ("sent", "ceiling_w"),
    [
        (setpoint(2800.0, 2, releases=Fence(2, 1)), 2800.0),
        (setpoint(2800.0, 2, releases=Fence(2, 4)), 2800.0),
        (setpoint(2800.0, 2), 1800.0),
        (setpoint(2800.0, 2, releases=Fence(1, 9)), 1800.0),
        (setpoint(2800.0, 1, releases=Fence(2, 1)), 1800.0),
        (setpoint(2800.0, 9, epoch=1, releases=Fence(2, 1)), 1800.0),
        (replace(setpoint(2800.0, 2, releases=Fence(2, 1)), incarnation="run0"), 1800.0),
    ],
)
def test_only_a_granted_setpoint_that_names_the_shed_or_a_later_one_ends_it(
    sent: Setpoint, ceiling_w: float
) -> None:
    lease = take(HELD, sent)
    assert release(heard(SHEDS, shed(2)), lease, sent).ceiling_w(lease) == ceiling_w


def test_a_shed_that_comes_after_the_setpoint_that_ends_it_is_over() -> None:
    sent = setpoint(2800.0, 2, releases=Fence(2, 3))
    lease = take(HELD, sent)
    sheds = heard(release(SHEDS, lease, sent), shed(4, 3), shed(4, 2), lease=lease)
    assert sheds.ceiling_w(lease) == 2800.0
    assert heard(sheds, shed(4, 4), lease=lease).ceiling_w(lease) == 600.0


def test_a_leader_ends_its_own_sheds_only_another_ones_still_tightens() -> None:
    sent = setpoint(2800.0, 2, releases=Fence(2, 3))
    lease = take(HELD, sent)
    sheds = heard(release(SHEDS, lease, sent), shed(3, 9, epoch=1), lease=lease)
    assert sheds.slot == Slot(Fence(2, 3), 3, 1000.0)


def test_a_shed_outlives_the_lease() -> None:
    sheds = heard(SHEDS, shed(4))
    expired = leases.advance(TERMS, HELD, None, 200.0)
    assert expired.status == "expired"
    assert sheds.ceiling_w(expired) == 600.0


def test_a_report_says_what_is_in_force() -> None:
    quiet = reported(report("n1", 3000.0, lease="held"), Sheds(), HELD)
    assert (quiet.limit_w, quiet.shed, quiet.shed_level, quiet.canary) == (3000.0, *[None] * 3)
    loud = reported(report("n1", 3000.0, lease="held"), heard(SHEDS, shed(2)), HELD)
    assert (loud.limit_w, loud.shed, loud.shed_level) == (1800.0, Fence(2, 1), 2)
    assert loud.shed_table == "abc"
