"""A small site in discrete time: real control steps, real agent cores, an unreliable world."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from orchestrator.control.ceilings import advance
from orchestrator.control.intake import absorb
from orchestrator.control.silence import silence
from orchestrator.control.state import ControlSettings, State, new_state
from orchestrator.control.steering import MOVABLE, present_w
from orchestrator.control.step import step
from orchestrator.domain.decision import decide
from orchestrator.domain.events import EventRecord
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.moment import Moment
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.shed import Shed
from orchestrator.domain.shed_table import shed_table
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.silence import reserves_w
from orchestrator.domain.telemetry import Description, Telemetry
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    EpochSeen,
    FrontiersChanged,
    GrantCommitted,
    GrantFailed,
    Input,
    LockoutsChanged,
    LowerLedger,
    NodeDescribed,
    NodeOffline,
    ReleaseRequested,
    SendSetpoint,
    SendShed,
    SignalCancelled,
    SignalReceived,
    StepDown,
    StoreDecision,
    StoreEvent,
    TakenOver,
    TelemetryReceived,
)
from orchestrator.ports import Takeover
from tests.property.sim_node import SimNode
from tests.property.sim_tree import FRONTIERS, TOPOLOGY

TICK_S = 0.5
TELEMETRY_DELAY_S = 1.5
STALE_S = 2.0
BLIND_S = TELEMETRY_DELAY_S + STALE_S + 2 * TICK_S
EPSILON_W = 0.05
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
SETTINGS = ControlSettings(
    "test", ttl_s=6.0, stale_s=STALE_S, settle_s=0.5, baseline_window_s=5.0, recovery_s=3.0
)


@dataclass(frozen=True)
class Weather:
    """How bad the world is; chances and seconds. slow_ledger: that it does not answer now."""

    seed: int = 0
    loss: float = 0.0
    double: float = 0.0
    setpoint_delay_s: float = 0.0
    slow_ledger: float = 0.0


@dataclass
class Network:
    """Loses, doubles, delays and reorders what is sent."""

    random: Random
    loss: float = 0.0
    double: float = 0.0
    flying: list[tuple[float, object, object]] = field(default_factory=list)

    def send(self, to: object, message: object, now_s: float, delay_s: float) -> None:
        for _ in range(2 if self.random.random() < self.double else 1):
            if self.random.random() >= self.loss:
                due_s = now_s + self.random.random() * delay_s
                self.flying.append((due_s, to, message))

    def due(self, now_s: float) -> list[tuple[object, object]]:
        arrived = [(to, message) for due_s, to, message in self.flying if due_s <= now_s]
        self.flying = [item for item in self.flying if item[0] > now_s]
        return arrived


@dataclass
class SimLedger:
    """The database: what was granted, and by whom. Refuses epochs that do not lead."""

    epoch: int = 0
    held_w: dict[str, float] = field(default_factory=dict)
    committed: set[tuple[str, float, Fence]] = field(default_factory=set)
    failing: bool = False

    def take_over(self, at_least: int = 0) -> Takeover:
        if self.epoch < at_least:
            self.held_w.clear()
        self.epoch = max(self.epoch, at_least) + 1
        return Takeover(self.epoch, dict(self.held_w))


@dataclass
class Brain:
    """An orchestrator: the control state, and a recorder that writes what it is given in order."""

    state: State
    epoch: int
    inbox: list[Input] = field(default_factory=list)
    queue: list[Effect] = field(default_factory=list)
    last_sent: dict[str, Fence] = field(default_factory=dict)

    def record(self, ledger: SimLedger) -> Iterable[Input]:
        queue, self.queue = self.queue, []
        for effect in queue:
            match effect:
                case CommitGrants(grants) if ledger.failing or ledger.epoch != self.epoch:
                    yield from (GrantFailed(grant.node, grant.fence) for grant in grants)
                    if ledger.epoch != self.epoch:
                        yield EpochSeen(self.epoch + 1)
                case CommitGrants(grants):
                    for grant in grants:
                        before_w = ledger.held_w.get(grant.node, 0.0)
                        ledger.held_w[grant.node] = max(before_w, grant.limit_w)
                        ledger.committed.add((grant.node, grant.limit_w, grant.fence))
                        yield GrantCommitted(grant.node, grant.fence)
                case LowerLedger(held_w) if not ledger.failing and ledger.epoch == self.epoch:
                    ledger.held_w.update(held_w)
                case StepDown(seen_epoch):
                    takeover = ledger.take_over(seen_epoch)
                    self.epoch = takeover.epoch
                    yield TakenOver(takeover)
                case _:
                    pass


class Site:
    """The world. Every promise is checked after every event; see check()."""

    def __init__(self, weather: Weather) -> None:
        self.random = Random(weather.seed)
        self.network = Network(self.random, weather.loss, weather.double)
        self.setpoint_delay_s = weather.setpoint_delay_s
        self.slow_ledger = weather.slow_ledger
        self.now_s = 100.0
        table = shed_table(TOPOLOGY)
        self.nodes = {
            node.id: SimNode(node, table=None if node.id == "d" else table.of(node.id))
            for node in TOPOLOGY.nodes
        }
        self.brains: list[Brain] = []
        self.described: dict[str, Description] = {}
        self.ledger = SimLedger()
        self.signals: dict[SignalKey, Signal] = {}
        self.events: dict[SignalKey, EventRecord] = {}
        self.crash_after: int | None = None
        self.asked = 0
        self.locked: frozenset[str] = frozenset()
        self.start_brain()

    @property
    def moment(self) -> Moment:
        return Moment(self.now_s, BEGIN + timedelta(seconds=self.now_s))

    def start_brain(self) -> None:
        takeover = self.ledger.take_over()
        state = new_state(SETTINGS, TOPOLOGY, takeover, tuple(self.events.values()), self.moment)
        brain = Brain(state, takeover.epoch)
        signals = (SignalReceived(signal, stored=True) for signal in self.signals.values())
        brain.inbox += [ArmingChanged(frozenset({"site"})), LockoutsChanged(self.locked)]
        brain.inbox += [FrontiersChanged(FRONTIERS), *signals]
        brain.inbox += map(NodeDescribed, self.described.values())
        self.brains.append(brain)

    def ask(self, limit_id: str, limit_w: float | None, for_s: float) -> None:
        """A signal: tightens at once, is stored a moment later; without watts, an emergency."""
        self.asked += 1
        now = self.moment.utc
        signal = Signal(
            SignalKey(f"source-{self.asked % 2}", str(self.asked)),
            "emergency" if limit_w is None else "limit", limit_w, now, now,
            now + timedelta(seconds=for_s), limit_id,
        )  # fmt: skip
        self.signals[signal.key] = signal
        for brain in self.brains:
            brain.inbox.append(SignalReceived(signal, stored=False))
            self.network.flying.append((self.now_s + 1, brain, SignalReceived(signal, stored=True)))

    def lock_out(self, names: frozenset[str]) -> None:
        """An operator wants nothing sent to these nodes."""
        self.locked = names
        for brain in self.brains:
            brain.inbox.append(LockoutsChanged(names))

    def give_back(self, name: str) -> None:
        """An operator takes a node out of Ballast's hands for good."""
        self.lock_out(self.locked | {name})
        for brain in self.brains:
            brain.inbox.append(ReleaseRequested(name))

    def cancel(self, index: int) -> None:
        if self.signals:
            key = sorted(self.signals)[index % len(self.signals)]
            del self.signals[key]
            for brain in self.brains:
                self.network.flying.append((self.now_s + 1.5, brain, SignalCancelled(key)))

    def tick(self) -> None:
        """Half a second: deliver, let every brain and every node take one step, and check."""
        self.now_s += TICK_S
        self._deliver()
        for brain in list(self.brains):
            self._step(brain)
            self.check()
        for sim in self.nodes.values():
            for message in sim.step(self.now_s, TICK_S, self.random):
                self._publish(message)
            self.check()

    def _deliver(self) -> None:
        for to, message in self.network.due(self.now_s):
            match to, message:
                case str(), Setpoint() | Shed() if self.nodes[to].agent is not None:
                    self.nodes[to].inbox.append(message)
                case Brain(), _:
                    to.inbox.append(message)  # type: ignore[arg-type]
                case _:
                    pass
        for brain in self.brains:
            if self.random.random() >= self.slow_ledger:
                brain.inbox += brain.record(self.ledger)

    def _publish(self, message: Telemetry | Description) -> None:
        if isinstance(message, Description):  # retained by the broker
            self.described[message.node] = message
        for brain in self.brains:
            if isinstance(message, Telemetry):
                item: Input = TelemetryReceived(message)
                self.network.send(brain, item, self.now_s, TELEMETRY_DELAY_S)
            else:
                brain.inbox.append(NodeDescribed(message))

    def say_offline(self, name: str) -> None:
        for brain in self.brains:
            brain.inbox.append(NodeOffline(name))

    def _step(self, brain: Brain) -> None:
        inputs, brain.inbox = brain.inbox, []
        absorbed = self._absorbed(brain, inputs)
        before_w = worst_w(absorbed, self.now_s)
        rooms_w = {n.id: absorbed.bounds[n.id].limit_w - n.reserve_w for n in TOPOLOGY.limits}
        held_w = {n.id: absorbed.nodes[n.id].exposure.limit_w(n) for n in TOPOLOGY.nodes}
        effects = step(brain.state, inputs, self.moment)
        self._check_exposures(brain, before_w, rooms_w)
        self._check_decision(brain, effects)
        for position, effect in enumerate(effects):
            if self.crash_after is not None and position >= self.crash_after:
                self.crash_after = None
                self.brains.remove(brain)
                return
            self._carry_out(brain, effect, held_w)
        self.crash_after = None

    def _carry_out(self, brain: Brain, effect: Effect, held_w: dict[str, float]) -> None:
        match effect:
            case SendSetpoint(setpoint, kind):
                _check_order(brain, setpoint)
                locked = setpoint.node in brain.state.locked
                assert locked == bool(setpoint.release), "sent to a locked node"
                if setpoint.release:
                    self._check_release(brain.state, setpoint)
                elif kind == "raise":
                    self._check_raise(brain.state, setpoint)
                else:
                    assert setpoint.limit_w <= held_w[setpoint.node] + EPSILON_W, "hidden raise"
                delay_s = self.setpoint_delay_s
                self.network.send(setpoint.node, setpoint, self.now_s, delay_s)
            case SendShed(shed):
                for name in self.nodes:
                    self.network.send(name, shed, self.now_s, self.setpoint_delay_s)
            case StoreDecision(decision):
                assert decide(decision.inputs) == decision.outcome
            case StoreEvent(event):
                self.events[event.key] = event
            case _:
                brain.queue.append(effect)

    def _check_release(self, state: State, setpoint: Setpoint) -> None:
        """The ledger holds it, it fits under every limit, and we still lead."""
        held_w = self.ledger.held_w.get(setpoint.node, 0.0)
        assert setpoint.limit_w <= held_w, "given back before the ledger held it"
        assert not state.superseded, "given back by a leader that was superseded"
        exposed_w = exposures_w(state, self.now_s)
        for limit_id in TOPOLOGY.path_of[setpoint.node]:
            assert exposed_w[limit_id] <= state.bounds[limit_id].limit_w + EPSILON_W

    def _check_raise(self, state: State, setpoint: Setpoint) -> None:
        """The ledger holds it, the newest decision wants it, and we still lead."""
        grant = (setpoint.node, setpoint.limit_w, setpoint.fence)
        assert grant in self.ledger.committed, "raised before the ledger held it"
        assert not state.superseded, "raised by a leader that was superseded"
        assert state.decision is not None, "raised without a decision"
        targets_w = {target.node: target.limit_w for target in state.decision.outcome.targets}
        assert setpoint.limit_w <= targets_w[setpoint.node] + EPSILON_W, "raised above its target"

    def _absorbed(self, brain: Brain, inputs: Sequence[Input]) -> State:
        """What the state is once inputs are taken in and nothing has been done yet."""
        state = copy.copy(brain.state)
        state.nodes = {name: copy.copy(node) for name, node in state.nodes.items()}
        state.signals, state.unstored = dict(state.signals), set(state.unstored)
        state.events = replace(state.events, records=dict(state.events.records))
        state.ramps = copy.deepcopy(state.ramps)
        for item in inputs:
            absorb(state, item, self.moment)
        advance(state, self.moment)
        return state

    def _check_exposures(
        self, brain: Brain, before_w: dict[str, float], rooms_w: dict[str, float]
    ) -> None:
        """Our own action raises no exposure, silence to come included, above what has room."""
        for limit_id, after_w in worst_w(brain.state, self.now_s).items():
            allowed_w = max(before_w[limit_id], rooms_w[limit_id]) + EPSILON_W
            assert after_w <= allowed_w, f"{limit_id}: raised to {after_w} over {allowed_w}"

    def _check_decision(self, brain: Brain, effects: Sequence[Effect]) -> None:
        """What tightens is decided, and sent, in the very step that heard of it."""
        sent = {e.setpoint.node: e.setpoint for e in effects if isinstance(e, SendSetpoint)}
        state = brain.state
        if state.decision is None:
            return
        inputs = state.decision.inputs
        for limit_id, bound in state.bounds.items():
            assert inputs.bounds[limit_id].limit_w <= bound.limit_w, f"{limit_id} fell unnoticed"
        for target in state.decision.outcome.targets:
            if state.status(TOPOLOGY.node_by_id[target.node], self.now_s) not in MOVABLE:
                continue
            present = present_w(state, state.nodes[target.node], self.now_s)
            if target.node in sent:
                present = sent[target.node].limit_w
            if target.node not in inputs.fixed and present is not None:
                assert present <= target.limit_w + EPSILON_W, f"{target.node} was not cut"

    def check(self) -> None:
        """No node draws more than the leader charges it with, nor than the ledger admits."""
        leading = [brain for brain in self.brains if brain.state.epoch == self.ledger.epoch]
        leader = leading[0] if leading else None
        for name, sim in self.nodes.items():
            if self.now_s < sim.untold_until_s:
                continue
            if leader is not None and leader.state.bounds:
                charged_w = leader.state.charged_w(sim.node, self.now_s)
                assert sim.true_w <= charged_w + EPSILON_W, f"{name}: {sim.true_w} > {charged_w}"
            if not sim.rebooted:
                held_w = self.ledger.held_w.get(name, sim.node.nameplate_w)
                assert sim.true_w <= held_w + EPSILON_W, f"{name}: {sim.true_w} > ledger {held_w}"


def _check_order(brain: Brain, setpoint: Setpoint) -> None:
    last = brain.last_sent.get(setpoint.node)
    assert last is None or last < setpoint.fence, f"{setpoint.fence} after {last}"
    brain.last_sent[setpoint.node] = setpoint.fence


def worst_w(state: State, now_s: float) -> dict[str, float]:
    """The exposures once as many more nodes have fallen silent as every limit allows for."""
    charged_w = {node.id: state.charged_w(node, now_s) for node in TOPOLOGY.nodes}
    kept_w = reserves_w(TOPOLOGY, silence(state, now_s), charged_w)
    return {name: w + kept_w.get(name, 0.0) for name, w in exposures_w(state, now_s).items()}


def exposures_w(state: State, now_s: float) -> dict[str, float]:
    """What a state admits that may be drawn under each limit, uncontrolled load included."""
    charged_w = {node.id: state.charged_w(node, now_s) for node in TOPOLOGY.nodes}
    draws_w = draws_under_w(TOPOLOGY, charged_w)
    return {name: draws_w[name] + TOPOLOGY.uncontrolled_under_w[name] for name in draws_w}
