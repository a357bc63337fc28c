"""A small facility for tests: two racks of two nodes, and what their agents report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.control.state import ControlSettings, State, new_state
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.moment import Moment
from orchestrator.domain.setpoint import NO_FENCE
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.telemetry import Description, Telemetry
from orchestrator.domain.topology import Limit, Node, Topology
from orchestrator.ports import Takeover

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TTL_S = 9.0
NODES = ("a1", "a2", "b1", "b2")
FRONTIER = Frontier(
    "chat",
    "chat-1",
    2,
    tuple(Candidate(cap, 32, cap * 1.9, tok) for cap, tok in ((200.0, 600.0), (500.0, 1000.0))),
)


def node(name: str, rack: str, **changes: Any) -> Node:
    made = Node(name, rack, "chat", 2, 1000.0, 400.0, 500.0, overhead_w=0.0, overhead_fraction=0.0)
    return replace(made, **changes)


def topology(**changes: Any) -> Topology:
    limits = (
        Limit("facility", "facility", 4500.0, uncontrolled_w=100.0),
        Limit("rack-a", "rack", 2200.0, "facility"),
        Limit("rack-b", "rack", 2200.0, "facility"),
    )
    nodes = tuple(node(name, f"rack-{name[0]}") for name in NODES)
    return replace(Topology(limits, nodes, firm_limit_w=2500.0), **changes)


def moment(seconds: float) -> Moment:
    return Moment(1000.0 + seconds, START + timedelta(seconds=seconds))


def telemetry(name: str = "a1", **changes: Any) -> Telemetry:
    report = Telemetry(
        node=name,
        incarnation="run1",
        stamp_s=1.0,
        fence=NO_FENCE,
        limit_w=None,
        highest_epoch=0,
        lease="none",
        enforced_w=1000.0,
        pending_w=None,
        power_w=900.0,
        settled_s=60.0,
        tok_s=900.0,
        itl_p95_ms=20.0,
        ttft_p95_ms=100.0,
        running=10,
        waiting=0,
        batch_limit=32,
    )
    return replace(report, **changes)


def description(name: str, **changes: Any) -> Description:
    made = Description(name, "run1", "0.1.0", "chat", ("x", "y"), 400, 1000, 1000, False, ())
    return replace(made, **changes)


def limit_signal(limit_w: float, start_s: float, end_s: float, **changes: Any) -> Signal:
    made = Signal(
        key=SignalKey("utility", "e1"),
        kind="limit",
        value=limit_w,
        issued_at=START,
        starts_at=START + timedelta(seconds=start_s),
        ends_at=START + timedelta(seconds=end_s),
    )
    return replace(made, **changes)


def state(held_w: dict[str, float] | None = None, epoch: int = 1, **changes: Any) -> State:
    settings = ControlSettings(
        "test", ttl_s=TTL_S, stale_s=3.0, settle_s=1.0, baseline_window_s=20.0, recovery_s=30.0
    )
    return new_state(
        replace(settings, **changes), topology(), Takeover(epoch, held_w or {}), (), moment(0)
    )
