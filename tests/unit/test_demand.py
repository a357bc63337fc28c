from dataclasses import replace

import pytest

from orchestrator.control.state import NodeState
from orchestrator.domain.demand import CALM_AFTER_S, HEADROOM, Offer, follow
from orchestrator.domain.exposure import NodeExposure
from orchestrator.domain.setpoint import NO_FENCE
from orchestrator.domain.telemetry import Telemetry

REPORT = Telemetry(
    node="n1",
    incarnation="i1",
    stamp_s=0.0,
    fence=NO_FENCE,
    limit_w=None,
    highest_epoch=0,
    lease="held",
    enforced_w=1000.0,
    pending_w=None,
    power_w=900.0,
    settled_s=5.0,
    tok_s=1000.0,
    itl_p95_ms=20.0,
    ttft_p95_ms=100.0,
    running=50,
    waiting=0,
    batch_limit=64,
)


def after(
    seconds: float, offer: Offer | None = None, start_s: float = 0.0, **report: float
) -> Offer:
    """The offer after reports every half second."""
    telemetry = replace(REPORT, **report)  # type: ignore[arg-type]
    for step in range(int(seconds * 2) + 1):
        offer = follow(offer, telemetry, start_s + step / 2)
    assert offer is not None
    return offer


def test_a_node_without_a_queue_is_offered_what_it_serves() -> None:
    assert after(CALM_AFTER_S).quoted_tok_s == pytest.approx(1000.0 * HEADROOM)


def test_nothing_is_quoted_before_the_node_was_calm_for_a_while() -> None:
    assert after(CALM_AFTER_S - 1).quoted_tok_s is None


def test_a_queue_means_that_the_offer_is_unknown() -> None:
    calm = after(CALM_AFTER_S)
    assert after(1.0, calm, 16.0, waiting=40).quoted_tok_s == calm.quoted_tok_s
    assert after(3.0, calm, 16.0, waiting=40).quoted_tok_s is None


def test_small_changes_of_the_offer_change_no_quote() -> None:
    calm = after(CALM_AFTER_S)
    assert after(60.0, calm, 16.0, tok_s=1050.0).quoted_tok_s == calm.quoted_tok_s
    grown = after(60.0, calm, 16.0, tok_s=1500.0).quoted_tok_s
    assert grown is not None
    assert grown > 1.3 * (calm.quoted_tok_s or 0.0)


def test_a_report_that_does_not_say_what_waits_changes_nothing() -> None:
    calm = after(CALM_AFTER_S)
    assert follow(calm, replace(REPORT, waiting=None, tok_s=5.0), 99.0) == calm


def test_a_node_starts_without_an_offer() -> None:
    assert NodeState(NodeExposure(), None).offer is None
