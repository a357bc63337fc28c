"""What Ballast tells the grid side: power state snapshots and breach alerts of DSX Flex."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from integrations.grid.dsx_flex_envelope import Stamp, encode_event, in_text, watts
from integrations.grid.dsx_jws import SigningKey
from integrations.wire.strict_json import JsonObject

POWER_STATE = "grid.powerstate.status.v1"
POWER_BREACH = "grid.powerbreach.alert.v1"
CRITICAL_EXCESS = 0.2

FeedEvent = Literal[
    "target_set", "start_ramp_down", "end_ramp_down", "start_ramp_up", "end_ramp_up", "periodic"
]
BreachStatus = Literal["active", "escalated", "resolved"]
InfrastructureAction = Literal[
    "SHUTDOWN_NODES", "SHUTDOWN_RACKS", "CUT_DATA_FEEDS", "TRIP_BREAKERS"
]


@dataclass(frozen=True, slots=True)
class FeedTarget:
    """A load target of a feed, in force or still to come."""

    active: bool
    limit_w: float
    starts_at: datetime
    ends_at: datetime | None
    best_effort: bool
    correlation_id: UUID


@dataclass(frozen=True, slots=True)
class FeedState:
    """One feed now. minimum_w, maximum_w: what it can be brought to; default_w: without a target.

    load_w: the load that Ballast has arranged, which may differ from the meter during a ramp.
    """

    feed_tag: str
    minimum_w: float
    maximum_w: float
    default_w: float
    targets: tuple[FeedTarget, ...]
    load_w: float
    in_flight: bool
    event: FeedEvent
    compliant: bool
    event_started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShedHint:
    """A node that infrastructure may cap from outside; priority 1 goes first."""

    node: str
    priority: int
    target_w: float


@dataclass(frozen=True, slots=True)
class Breach:
    """Metered power above an active load target; breach_id stays the same until it is resolved."""

    breach_id: UUID
    feed_tag: str
    status: BreachStatus
    detected_at: datetime
    correlation_id: UUID
    limit_w: float
    measured_w: float
    resolved_at: datetime | None = None
    hints: tuple[ShedHint, ...] = ()
    actions: tuple[InfrastructureAction, ...] = ()

    @property
    def severity(self) -> str:
        """Critical above a fifth over the target, else a warning."""
        critical = self.measured_w > self.limit_w * (1 + CRITICAL_EXCESS)
        return "critical" if critical else "warning"


def power_state_topic(identifier: str) -> str:
    """Where an agent publishes its power state; QoS 1."""
    return f"grid/v1/dsx-flex-agent/{identifier}/powerstate/status"


def power_breach_topic(identifier: str) -> str:
    """Where an agent publishes its breach alerts; QoS 2."""
    return f"grid/v1/dsx-flex-agent/{identifier}/powerbreach"


def encode_power_state(
    identifier: str, feeds: Sequence[FeedState], stamp: Stamp, key: SigningKey | None = None
) -> bytes:
    """A snapshot of all feeds."""
    data = {
        "snapshot_time": in_text(stamp.at),
        "feeds": {feed.feed_tag: _feed(feed) for feed in feeds},
    }
    return encode_event(_source(identifier), POWER_STATE, "powerstate", data, stamp=stamp, key=key)


def encode_power_breach(
    identifier: str, breach: Breach, stamp: Stamp, key: SigningKey | None = None
) -> bytes:
    """An alert; hints and actions go out only while the breach lasts."""
    resolved = breach.status == "resolved"
    details = {"breach_id": str(breach.breach_id), "detected_at": in_text(breach.detected_at)}
    if resolved and breach.resolved_at is not None:
        details["resolved_at"] = in_text(breach.resolved_at)
    data: JsonObject = {
        "feed_tag": breach.feed_tag,
        "status": breach.status,
        "severity": breach.severity,
        "breach": details,
        "target": {
            "correlation_id": str(breach.correlation_id),
            "load_constraint": watts(breach.limit_w),
        },
        "measured_load": watts(breach.measured_w),
        "infrastructure_actions": [] if resolved else list(breach.actions),
    }
    if not resolved:
        data["shed_hints"] = [_hint(hint) for hint in breach.hints]
    return encode_event(
        _source(identifier), POWER_BREACH, "powerbreach", data, stamp=stamp, key=key
    )


def _source(identifier: str) -> str:
    return f"//grid/v1/dsx-flex-agent/{identifier}"


def _feed(feed: FeedState) -> JsonObject:
    found: JsonObject = {
        "metadata": {
            "power_minimum": watts(feed.minimum_w),
            "power_maximum": watts(feed.maximum_w),
            "default_constraint": watts(feed.default_w),
        },
        "targets": [_target(target) for target in feed.targets],
        "calculated_load": watts(feed.load_w),
        "in_flight": feed.in_flight,
        "event": feed.event,
        "compliant": feed.compliant,
    }
    if feed.event_started_at is not None:
        found["power_event_start_time"] = in_text(feed.event_started_at)
    return found


def _target(target: FeedTarget) -> JsonObject:
    interval = {"start_time": in_text(target.starts_at)}
    if target.ends_at is not None:
        interval["end_time"] = in_text(target.ends_at)
    return {
        "active": target.active,
        "load_constraint": watts(target.limit_w),
        "interval": interval,
        "strategy": {"best_effort": target.best_effort},
        "correlation_id": str(target.correlation_id),
    }


def _hint(hint: ShedHint) -> JsonObject:
    return {
        "resource_id": hint.node,
        "resource_type": "node",
        "action": "power_cap",
        "priority": hint.priority,
        "target_power": watts(hint.target_w),
    }
