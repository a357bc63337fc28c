"""Ballast as a DSX Flex agent: says after every change, and now and then, how its feeds stand."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from integrations.grid.dsx_flex import SOURCE_PREFIX
from integrations.grid.dsx_flex_envelope import Stamp
from integrations.grid.dsx_flex_status import (
    FeedEvent,
    FeedState,
    FeedTarget,
    encode_power_state,
    power_state_topic,
)
from integrations.grid.dsx_jws import SigningKey
from orchestrator.domain.events import EventRecord
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.topology import Topology
from orchestrator.ports import Control, Transport
from orchestrator.snapshot import LimitView, Snapshot

POLL_S = 0.5
HEARTBEAT_S = 15.0


@dataclass(frozen=True, slots=True)
class _Feed:
    """What the last status of a feed said."""

    ceiling_w: float
    in_flight: bool
    targets: tuple[SignalKey, ...]
    changed_at: datetime | None


@dataclass(slots=True)
class FlexStatus:
    """Publishes `grid.powerstate.status.v1` on transitions and as a heartbeat.

    feeds: feed tag -> id of its limit. signal_of: the standing signal of a key, if it stands.
    """

    agent_id: str
    topology: Topology
    feeds: Mapping[str, str]
    control: Control
    transport: Transport
    signal_of: Callable[[SignalKey], Signal | None]
    key: SigningKey | None = None
    _known: dict[str, _Feed] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; nothing is published where no feed is configured."""
        if self.feeds:
            self._thread = threading.Thread(target=self._run, name="dsx-flex", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the publication in progress."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def states(self, snapshot: Snapshot) -> tuple[list[FeedState], bool]:
        """The state of every feed, and whether any of them changed since the last call."""
        found = [self._state(tag, limit_id, snapshot) for tag, limit_id in self.feeds.items()]
        return found, any(state.event != "periodic" for state in found)

    def _run(self) -> None:
        quiet_s = HEARTBEAT_S
        while not self._stopping.wait(POLL_S):
            states, changed = self.states(self.control.snapshot())
            quiet_s += POLL_S
            if changed or quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                stamp = Stamp(uuid4(), datetime.now(UTC))
                message = encode_power_state(self.agent_id, states, stamp, self.key)
                self.transport.publish(power_state_topic(self.agent_id), message, qos=1)

    def _state(self, tag: str, limit_id: str, snapshot: Snapshot) -> FeedState:
        limit = next(limit for limit in snapshot.limits if limit.id == limit_id)
        records = [
            event
            for event in snapshot.events
            if event.limit_id == limit_id
            and event.key.source.startswith(SOURCE_PREFIX)
            and event.status in ("scheduled", "active")
        ]
        flying = limit.exposure_w > limit.ceiling_w or _behind(snapshot, limit_id)
        before = self._known.get(tag)
        event = transition(before, limit.ceiling_w, flying, tuple(r.key for r in records))
        changed_at = snapshot.at if event.startswith("start") else None
        if changed_at is None and flying and before is not None:
            changed_at = before.changed_at
        self._known[tag] = _Feed(
            limit.ceiling_w, flying, tuple(record.key for record in records), changed_at
        )
        return self._encode(tag, limit, records, flying, event, changed_at)

    def _encode(
        self,
        tag: str,
        limit: LimitView,
        records: list[EventRecord],
        flying: bool,
        event: FeedEvent,
        changed_at: datetime | None,
    ) -> FeedState:
        lowest_w = draws_under_w(
            self.topology, {node.id: node.min_w for node in self.topology.nodes}
        )
        return FeedState(
            feed_tag=tag,
            minimum_w=lowest_w[limit.id] + self.topology.uncontrolled_under_w[limit.id],
            maximum_w=limit.contract_w,
            default_w=limit.contract_w,
            targets=tuple(self._target(record) for record in records),
            load_w=limit.exposure_w,
            in_flight=flying,
            event=event,
            compliant=limit.exposure_w <= limit.ceiling_w + 0.5,
            event_started_at=changed_at,
        )

    def _target(self, record: EventRecord) -> FeedTarget:
        signal = self.signal_of(record.key)
        named = signal.correlation_id if signal and signal.correlation_id else None
        return FeedTarget(
            active=record.status == "active",
            limit_w=record.limit_w or 0.0,
            starts_at=record.starts_at,
            ends_at=record.ends_at,
            best_effort=signal.best_effort if signal else False,
            correlation_id=UUID(named or record.key.id.split(":")[0]),
        )


def transition(
    before: _Feed | None, ceiling_w: float, in_flight: bool, targets: tuple[SignalKey, ...]
) -> FeedEvent:
    """Name what changed at a feed since its last status."""
    if before is None:
        return "periodic"
    if ceiling_w < before.ceiling_w:
        return "start_ramp_down"
    if ceiling_w > before.ceiling_w:
        return "start_ramp_up"
    if set(targets) - set(before.targets):
        return "target_set"
    if before.in_flight and not in_flight:
        return "end_ramp_down" if targets else "end_ramp_up"
    return "periodic"


def _behind(snapshot: Snapshot, limit_id: str) -> bool:
    return any(
        node.target_w is not None
        and node.status == "following"
        and limit_id in node.path
        and abs((node.limit_w or node.target_w) - node.target_w) > 0.02 * node.target_w
        for node in snapshot.nodes
    )
