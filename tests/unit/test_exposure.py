from orchestrator.domain.exposure import (
    Hold,
    NodeExposure,
    is_current,
    observe,
    restored,
    with_hold,
    with_sent,
    without_hold,
)
from orchestrator.domain.setpoint import Fence
from tests.facility import node, telemetry

NODE = node("a1", "rack-a")
KNOWN = NodeExposure(evidenced_w=800.0, incarnation="run1", stamp_s=1.0)


def test_a_node_nobody_heard_of_is_charged_at_nameplate() -> None:
    assert NodeExposure().limit_w(NODE) == 1000.0


def test_a_raise_is_charged_before_it_is_sent() -> None:
    assert with_hold(KNOWN, Hold(Fence(1, 1), 950.0, "run1")).limit_w(NODE) == 950.0


def test_a_decrease_frees_nothing_before_evidence() -> None:
    assert with_sent(KNOWN, Hold(Fence(1, 1), 500.0, "run1")).limit_w(NODE) == 800.0


def test_settled_read_back_that_names_the_setpoint_frees_its_watts() -> None:
    sent = with_sent(KNOWN, Hold(Fence(1, 1), 500.0, "run1"))
    followed = telemetry(
        stamp_s=2.0, fence=Fence(1, 1), limit_w=500.0, lease="held", enforced_w=500.0, settled_s=1.0
    )
    assert observe(sent, followed, 1.0).limit_w(NODE) == 500.0


def test_read_back_that_is_not_settled_frees_nothing() -> None:
    sent = with_sent(KNOWN, Hold(Fence(1, 1), 500.0, "run1"))
    early = telemetry(
        stamp_s=2.0, fence=Fence(1, 1), limit_w=500.0, lease="held", enforced_w=500.0, settled_s=0.5
    )
    assert observe(sent, early, 1.0).limit_w(NODE) == 800.0


def test_a_higher_read_back_counts_at_once() -> None:
    risen = telemetry(stamp_s=2.0, enforced_w=990.0, settled_s=0.0)
    assert observe(KNOWN, risen, 1.0).limit_w(NODE) == 990.0


def test_a_setpoint_still_under_way_stays_charged() -> None:
    sent = with_sent(KNOWN, Hold(Fence(1, 1), 950.0, "run1"))
    sent = with_sent(sent, Hold(Fence(1, 2), 500.0, "run1"))
    first_only = telemetry(
        stamp_s=2.0, fence=Fence(1, 1), limit_w=400.0, lease="held", enforced_w=400.0
    )
    assert observe(sent, first_only, 1.0).limit_w(NODE) == 500.0


def test_the_lease_in_force_counts_even_when_the_cards_are_lower() -> None:
    idle = telemetry(stamp_s=2.0, limit_w=900.0, lease="held", enforced_w=600.0)
    assert observe(KNOWN, idle, 1.0).limit_w(NODE) == 900.0


def test_a_write_that_timed_out_is_charged_at_the_higher_value() -> None:
    hanging = telemetry(stamp_s=2.0, enforced_w=500.0, pending_w=850.0)
    assert observe(KNOWN, hanging, 1.0).limit_w(NODE) == 850.0


def test_reports_of_an_ended_incarnation_prove_nothing() -> None:
    anew = observe(KNOWN, telemetry(incarnation="run2", stamp_s=0.5), 1.0)
    assert not is_current(anew, telemetry(incarnation="run1", stamp_s=99.0))
    assert is_current(anew, telemetry(incarnation="run2", stamp_s=0.6))
    assert not is_current(anew, telemetry(incarnation="run2", stamp_s=0.5))


def test_a_card_that_does_not_answer_frees_nothing() -> None:
    assert observe(KNOWN, telemetry(stamp_s=2.0, enforced_w=None), 1.0).limit_w(NODE) == 800.0


def test_after_a_takeover_the_ledger_is_charged_until_we_are_obeyed() -> None:
    exposure = restored(700.0, epoch=5)
    old = telemetry(fence=Fence(4, 9), limit_w=450.0, lease="held", enforced_w=450.0)
    assert observe(exposure, old, 1.0).limit_w(NODE) == 700.0
    ours = telemetry(stamp_s=2.0, fence=Fence(5, 1), limit_w=450.0, lease="held", enforced_w=450.0)
    assert observe(observe(exposure, old, 1.0), ours, 1.0).limit_w(NODE) == 450.0


def test_a_raise_that_was_never_sent_can_be_uncharged() -> None:
    charged = with_hold(KNOWN, Hold(Fence(1, 7), 990.0, "run1"))
    assert without_hold(charged, Fence(1, 7)).limit_w(NODE) == 800.0
