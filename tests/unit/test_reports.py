"""How late a node's reports are, and whether its cards obey."""

from dataclasses import replace

import pytest

from orchestrator.control.reports import lag_s, overdrawn
from orchestrator.control.state import NodeState
from orchestrator.domain.exposure import NodeExposure
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.telemetry import Telemetry

REPORT = Telemetry(
    node="a", incarnation="i", stamp_s=10.0, fence=Fence(1, 1), limit_w=500.0, highest_epoch=1,
    lease="held", enforced_w=500.0, pending_w=None, power_w=450.0, settled_s=5.0, tok_s=None,
    itl_p95_ms=None, ttft_p95_ms=None, running=None, waiting=None, batch_limit=None,
)  # fmt: skip


def hear(node: NodeState, stamp_s: float, now_s: float, incarnation: str = "i") -> None:
    report = replace(REPORT, stamp_s=stamp_s, incarnation=incarnation)
    node.lag_s = lag_s(node, report, now_s)
    node.telemetry, node.received_s = report, now_s


def unknown() -> NodeState:
    return NodeState(NodeExposure(), None)


def test_of_a_node_that_was_never_heard_nothing_is_fresh() -> None:
    assert unknown().age_s(100.0) == float("inf")


def test_reports_that_waited_are_as_old_as_their_stamp() -> None:
    node = unknown()
    hear(node, 10.0, 1010.0)
    hear(node, 10.5, 1010.5)
    assert node.age_s(1011.0) == pytest.approx(0.5)
    hear(node, 11.0, 1030.0)
    assert node.age_s(1030.0) == pytest.approx(19.0, abs=0.1)


def test_a_quicker_report_teaches_that_earlier_ones_were_late() -> None:
    node = unknown()
    hear(node, 10.0, 1012.0)
    hear(node, 11.0, 1011.0 + 0.1)
    assert node.lag_s == pytest.approx(1000.1)


def test_a_clock_that_loses_slowly_does_not_make_a_node_silent() -> None:
    node, stamp_s = unknown(), 0.0
    for tick in range(2000):
        hear(node, stamp_s, 0.5 * tick)
        stamp_s += 0.5 * 0.99
    assert node.age_s(0.5 * 1999) < 0.1


def test_a_new_incarnation_starts_anew() -> None:
    node = unknown()
    hear(node, 1000.0, 1000.0)
    hear(node, 5.0, 1010.0, incarnation="j")
    assert node.age_s(1010.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ({}, False, False),
        ({"enforced_w": 560.0}, False, True),
        ({"enforced_w": 500.5}, True, False),
        ({"enforced_w": 560.0, "pending_w": 560.0}, False, False),
        ({"enforced_w": 500.0, "pending_w": 500.0}, True, True),
        ({"enforced_w": None}, True, True),
        ({"enforced_w": 560.0, "lease": "expired"}, True, False),
    ],
)
def test_a_node_is_overdrawn_when_its_settled_caps_are_above_its_lease(
    change: dict[str, object], before: bool, after: bool
) -> None:
    assert overdrawn(before, replace(REPORT, **change)) is after  # type: ignore[arg-type]
