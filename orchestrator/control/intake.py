"""Takes inputs into the state. Nothing is decided here."""

from collections import deque

from orchestrator.control.fencing import epoch_used
from orchestrator.control.reports import lag_s, overdrawn
from orchestrator.control.state import NodeState, State
from orchestrator.domain.calibration import Learning, learn
from orchestrator.domain.demand import follow
from orchestrator.domain.events import EventRecord
from orchestrator.domain.exposure import is_current, observe
from orchestrator.domain.moment import Moment
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.surface import surface_of
from orchestrator.domain.telemetry import MeterReading, Telemetry
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    Effect,
    EpochSeen,
    FrontiersChanged,
    GrantCommitted,
    GrantFailed,
    Input,
    LockoutsChanged,
    MeterRead,
    NodeDescribed,
    NodeOffline,
    PolicyChanged,
    ReleaseRequested,
    SignalCancelled,
    SignalReceived,
    StepDown,
    StoreEvent,
    TakenOver,
    TelemetryReceived,
)

METER_KEPT_S = 900.0


def absorb(state: State, item: Input, now: Moment) -> list[Effect]:
    """Take one input; returns what must be stored or done because of it alone.

    GrantCommitted is left to the steering, and ReleaseRequested to the releases, which send.
    """
    match item:
        case TelemetryReceived(telemetry):
            return _telemetry(state, telemetry, now)
        case MeterRead(reading):
            _meter(state, reading, now)
        case SignalReceived(signal, stored):
            return _signal(state, signal, stored, now)
        case SignalCancelled(key):
            return _cancel(state, key, now)
        case GrantFailed(node, fence):
            _forget_grant(state, node, fence)
        case EpochSeen(epoch):
            return _epoch(state, epoch)
        case TakenOver(takeover):
            state.lead(takeover, now.monotonic_s)
        case GrantCommitted() | ReleaseRequested():
            pass
        case _:
            _setting(state, item)
    return []


def _setting(state: State, item: Input) -> None:
    match item:
        case NodeDescribed(description) if description.node in state.nodes:
            state.nodes[description.node].description = description
            state.nodes[description.node].offline = False
        case NodeOffline(node) if node in state.nodes:
            state.nodes[node].offline = True
        case BudgetsChanged(budgets):
            state.budgets = budgets
        case PolicyChanged(policy):
            state.policy = policy
        case ArmingChanged(armed):
            state.armed = armed
        case LockoutsChanged(nodes):
            state.locked = nodes
        case FrontiersChanged(frontiers, points):
            state.frontiers = dict(frontiers)
            state.surfaces = {name: surface_of(known.points) for name, known in points.items()}


def _telemetry(state: State, telemetry: Telemetry, now: Moment) -> list[Effect]:
    node = state.nodes.get(telemetry.node)
    if node is None or not is_current(node.exposure, telemetry):
        return []
    node.lag_s = lag_s(node, telemetry, now.monotonic_s)
    node.exposure = observe(node.exposure, telemetry, state.settings.settle_s)
    node.overdrawn = overdrawn(node.overdrawn, telemetry)
    node.telemetry = telemetry
    node.offer = follow(node.offer, telemetry, now.monotonic_s)
    node.learning = _learn(state, node, telemetry, now)
    node.received_s = now.monotonic_s
    node.offline = False
    return _epoch(state, epoch_used(state, node, telemetry))


def _learn(state: State, node: NodeState, telemetry: Telemetry, now: Moment) -> Learning | None:
    """What the node is off its model by; None without a model of so many cards."""
    known = state.topology.node_by_id[telemetry.node]
    model = state.frontiers.get(known.deployment)
    surface = state.surfaces.get(known.deployment)
    if model is None or surface is None or model.cards != known.cards:
        return None
    return learn(node.learning, telemetry, model, surface, now.monotonic_s)


def _epoch(state: State, epoch: int) -> list[Effect]:
    if epoch <= state.epoch or state.superseded:
        return []
    state.superseded = True
    return [StepDown(epoch)]


def _meter(state: State, reading: MeterReading, now: Moment) -> None:
    readings = state.meters.setdefault(reading.limit_id, deque())
    if readings and readings[-1][1].measured_at == reading.measured_at:
        return  # the meter repeats itself: that is silence
    readings.append((now.monotonic_s, reading))
    while readings and readings[0][0] < now.monotonic_s - METER_KEPT_S:
        readings.popleft()


def _signal(state: State, signal: Signal, stored: bool, now: Moment) -> list[Effect]:
    if signal.limit_id is not None and signal.limit_id not in state.topology.limit_by_id:
        return []
    if not stored:
        return _unstored(state, signal, now)
    waited = signal.key in state.unstored
    state.unstored.discard(signal.key)
    state.signals[signal.key] = signal
    opened = state.events.open(signal, now.utc)
    record = state.events.records.get(signal.key)
    return _store([record] if waited and record else opened)


def _unstored(state: State, signal: Signal, now: Moment) -> list[Effect]:
    """Let it tighten; its event begins, and is stored when the signal is."""
    if signal.key not in state.signals:
        state.signals[signal.key] = signal
        state.unstored.add(signal.key)
        state.events.open(signal, now.utc)
    return []


def _cancel(state: State, key: SignalKey, now: Moment) -> list[Effect]:
    state.signals.pop(key, None)
    state.unstored.discard(key)
    return _store(state.events.cancel(key, now.utc))


def _forget_grant(state: State, name: str, fence: Fence) -> None:
    node = state.nodes.get(name)
    if node is None or node.pending is None or node.pending.fence != fence:
        return
    node.withdraw()


def _store(records: list[EventRecord]) -> list[Effect]:
    return [StoreEvent(record) for record in records]
