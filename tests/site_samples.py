"""A small site and what is said in it, for tests of the domain and of the control step."""

from datetime import UTC, datetime, timedelta

from orchestrator.domain.moment import Moment
from orchestrator.domain.setpoint import NO_FENCE, Fence
from orchestrator.domain.signals import Kind, Signal, SignalKey
from orchestrator.domain.telemetry import Telemetry
from orchestrator.domain.topology import Limit, Node, Topology

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    """Seconds after noon, on both clocks."""
    return Moment(seconds, NOON + timedelta(seconds=seconds))


def node(name: str, limit: str = "rack-1", *, boot_gated: bool = False) -> Node:
    return Node(
        id=name, limit=limit, deployment="dense", cards=2, nameplate_w=1400.0, min_w=400.0,
        fail_safe_w=600.0, overhead_fraction=0.0, overhead_w=100.0, boot_gated=boot_gated,
    )  # fmt: skip


def two_racks(site_w: float = 6000.0, *, boot_gated: bool = False) -> Topology:
    """Four nodes of 400 to 1400 W and 100 W overhead, two in each rack; 200 W uncontrolled."""
    return Topology(
        limits=(
            Limit("site", "facility", site_w, uncontrolled_w=150.0),
            Limit("rack-1", "rack", 3000.0, "site", uncontrolled_w=50.0),
            Limit("rack-2", "rack", 3000.0, "site"),
        ),
        nodes=tuple(
            node(name, rack, boot_gated=boot_gated)
            for rack, names in (("rack-1", "ab"), ("rack-2", "cd"))
            for name in names
        ),
        firm_limit_w=3200.0,
    )


def signal(
    name: str = "one",
    value: float | None = 4000.0,
    *,
    kind: Kind = "limit",
    source: str = "utility",
    starts_s: float = 0.0,
    ends_s: float | None = 60.0,
    issued_s: float = 0.0,
    limit_id: str | None = None,
    deadline_s: float = 5.0,
) -> Signal:
    """A signal of the utility; times in seconds after noon."""
    return Signal(
        key=SignalKey(source, name),
        kind=kind,
        value=value,
        issued_at=at(issued_s).utc,
        starts_at=at(starts_s).utc,
        ends_at=None if ends_s is None else at(ends_s).utc,
        limit_id=limit_id,
        deadline_s=deadline_s,
    )


def report(
    name: str = "a",
    enforced_w: float | None = 1000.0,
    *,
    stamp_s: float = 0.0,
    incarnation: str = "run-1",
    fence: Fence = NO_FENCE,
    limit_w: float | None = None,
    lease: str = "none",
    settled_s: float = 10.0,
    pending_w: float | None = None,
    highest_epoch: int = 0,
    foreign: tuple[str, ...] = (),
) -> Telemetry:
    """A report of a node; a held lease is of what it enforces unless limit_w says otherwise."""
    return Telemetry(
        node=name,
        incarnation=incarnation,
        stamp_s=stamp_s,
        fence=fence,
        limit_w=enforced_w if limit_w is None and lease == "held" else limit_w,
        highest_epoch=highest_epoch,
        lease=lease,
        enforced_w=enforced_w,
        pending_w=pending_w,
        power_w=enforced_w,
        settled_s=settled_s,
        tok_s=None,
        itl_p95_ms=None,
        ttft_p95_ms=None,
        running=None,
        waiting=None,
        batch_limit=None,
        foreign=foreign,
    )
