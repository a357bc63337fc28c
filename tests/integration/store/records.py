"""A small facility and what may happen in it, for the tests of the store."""

from datetime import UTC, datetime, timedelta
from functools import cache

from orchestrator.domain.decision import Decision, DecisionInputs, FixedNode, decide
from orchestrator.domain.events import EventRecord
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.telemetry import Telemetry
from orchestrator.domain.timeline import Bound
from orchestrator.domain.topology import Limit, Node, Topology

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
KEY = SignalKey("utility", "event-1")
TOPOLOGY = Topology(
    limits=(Limit("site", "facility", 20_000), Limit("rack-1", "rack", 15_000.0, "site")),
    nodes=tuple(
        Node(f"node-{n}", "rack-1", "chat", 8, 5600, 1600.0, 2400.0, overhead_w=340.0)
        for n in (1, 2, 3)
    ),
    firm_limit_w=9000.0,
)
FRONTIER = Frontier(
    "chat",
    "chat-1",
    8,
    tuple(
        Candidate(cap, 64, cap * 7.9, 40.0 * (cap - 100) ** 0.8) for cap in (200.0, 400.0, 700.0)
    ),
)


def after(seconds: float) -> datetime:
    """A moment some seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def signal(identity: str = "event-1", limit_w: float = 9_000.0, lasts_s: float = 60.0) -> Signal:
    """A limit from the utility that starts at noon."""
    return Signal(
        key=SignalKey("utility", identity),
        kind="limit",
        value=limit_w,
        issued_at=NOON,
        starts_at=NOON,
        ends_at=after(lasts_s),
        correlation_id="c-1",
    )


@cache
def decision(identity: str = "d-1", at_s: float = 1.0) -> Decision:
    """A decision that a signal binds, with one node that cannot move."""
    inputs = DecisionInputs(
        topology=TOPOLOGY,
        bounds={
            "site": Bound("site", 9_000.0, "limit utility/event-1", KEY),
            "rack-1": Bound("rack-1", 15_000.0, "contract limit"),
        },
        fixed={"node-3": FixedNode(2400.0, "silent: charged at its fail-safe cap")},
        frontiers={"chat": FRONTIER},
        shadow=False,
    )
    return Decision(identity, after(at_s), "signal utility/event-1", inputs, decide(inputs))


def event(status: str = "active", ended_at: datetime | None = None) -> EventRecord:
    """The event of signal(), with a baseline of 12 kW and a limit of 9 kW."""
    return EventRecord(
        key=KEY,
        kind="limit",
        limit_id="site",
        status=status,  # type: ignore[arg-type]
        received_at=after(-2),
        starts_at=NOON,
        ends_at=after(60),
        limit_w=9_000.0,
        baseline_w=12_000.0,
        ended_at=ended_at,
        guaranteed=True,
    )


def telemetry(node: str = "node-1", tok_s: float | None = 900.0) -> Telemetry:
    """One report of a node."""
    return Telemetry(
        node=node,
        incarnation="i-1",
        stamp_s=10.0,
        fence=Fence(1, 1),
        limit_w=4000.0,
        highest_epoch=1,
        lease="held",
        enforced_w=4000.0,
        pending_w=None,
        power_w=3900.0,
        settled_s=3.0,
        tok_s=tok_s,
        itl_p95_ms=31.0,
        ttft_p95_ms=None,
        running=64,
        waiting=0,
        batch_limit=64,
    )


def setpoint(sequence: int = 1) -> Setpoint:
    """A setpoint of decision d-1."""
    return Setpoint("node-1", 4000.0, None, 15.0, Fence(1, sequence), "i-1", 10.0, "d-1")
