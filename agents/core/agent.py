"""One step of a node agent: readings and messages in, effects out; no clock, no input or output.

    inbox, reading -> guard.observe -> lease -> tuning -> guard.plan -> effects

Effects come in the order in which they must begin: decreases, journal, raises, batch, messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from agents.core import guard as guards
from agents.core import lease as leases
from agents.core import shed as sheds_of
from agents.core import snapshot
from agents.core.clocks import Clocks, answered, asked, to_ask
from agents.core.effects import (
    ClockSet,
    Connected,
    Effect,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    SetBatch,
    SetClock,
    WriteCap,
    WriteResult,
)
from agents.core.guard import Demand, Guard
from agents.core.lease import Lease, Terms
from agents.core.options import Order, Service
from agents.core.shed import Sheds
from agents.core.snapshot import Meters
from agents.core.tuning import Plant, Tuner, batch_of, tune
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.setpoint import Ack, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import Description, Telemetry

MAX_GAP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """What an agent says of itself; knobs: what it may turn, of "cap", "clock" and "batch".

    service: what its node promises to those it serves.
    """

    deployment: str
    agent_version: str
    boot_gated: bool
    knobs: tuple[str, ...]
    service: Service = field(default_factory=Service)


@dataclass(frozen=True, slots=True)
class AgentState:
    """Everything that a step needs of the past.

    first_incarnation: of the process; gaps adds a number to it. announce: a description is due.
    clocks: what is known of the clock locks.
    """

    terms: Terms
    identity: Identity
    lease: Lease
    first_incarnation: str
    record: Record
    gaps: int = 0
    guard: Guard = field(default_factory=Guard)
    tuner: Tuner = field(default_factory=Tuner)
    meters: Meters = field(default_factory=Meters)
    frontier: Frontier | None = None
    now_s: float | None = None
    announce: bool = False
    clocks: Clocks = field(default_factory=Clocks)
    sheds: Sheds = field(default_factory=Sheds)

    @property
    def ceiling_w(self) -> float | None:
        """The sum of caps in force, of lease and shed; None while nothing may be touched."""
        return self.sheds.ceiling_w(self.lease)


def start(terms: Terms, identity: Identity, incarnation: str, record: Record) -> AgentState:
    """The state of a process that has just started, knowing only its journal."""
    lease = Lease(incarnation, armed=record.armed, highest_epoch=record.highest_epoch)
    clocks = Clocks(known=not record.locked)
    sheds = Sheds(record.shed)
    return AgentState(terms, identity, lease, incarnation, record, clocks=clocks, sheds=sheds)


def step(
    state: AgentState, reading: Reading, inbox: Sequence[Message], now_s: float
) -> tuple[AgentState, tuple[Effect, ...]]:
    """One pass. Every result in inbox was there before reading was taken; now_s is after it."""
    if state.now_s is not None and now_s - state.now_s > MAX_GAP_S:
        state = _resume(state, now_s)
    state = _observe(replace(state, now_s=now_s), reading, inbox)
    state, acks = _receive(state, inbox, now_s)
    state, recorded = _record(state)
    state = _tune(state, reading, now_s)
    state, writes = _plan(state)
    state, described = _describe(state)
    state, clocks = _clock(state, now_s)
    batch = _batch(state, reading)
    effects: list[Effect] = [write for write in writes if not write.raises]
    effects += recorded
    effects += [write for write in writes if write.raises]
    effects += [*clocks, *([SetBatch(batch)] if batch is not None else [])]
    effects += [*described, *map(Publish, acks), Publish(_report(state, reading))]
    return state, tuple(effects)


def _resume(state: AgentState, now_s: float) -> AgentState:
    """Become a new incarnation: what was decided before the gap no longer counts."""
    gaps = state.gaps + 1
    lease = leases.interrupt(
        state.terms,
        state.lease,
        f"{state.first_incarnation}.{gaps}",
        state.guard.enforced_w,
        now_s,
    )
    guard = guards.forget_hands(state.guard)
    return replace(
        state, lease=lease, guard=guard, gaps=gaps, meters=Meters(), tuner=Tuner(), announce=True
    )


def _observe(state: AgentState, reading: Reading, inbox: Sequence[Message]) -> AgentState:
    results = [message for message in inbox if isinstance(message, WriteResult)]
    guard = guards.settle(state.guard, results)
    wrote = guard.pending
    guard = guards.observe(guard, reading.cards or ())
    meters = snapshot.measure(state.meters, guard, reading, wrote=wrote or guard.pending)
    return replace(state, guard=guard, meters=meters)


def _receive(
    state: AgentState, inbox: Sequence[Message], now_s: float
) -> tuple[AgentState, list[Ack]]:
    lease = leases.advance(state.terms, state.lease, state.guard.enforced_w, now_s)
    frontier, announce, acks = state.frontier, state.announce, []
    clocks, sheds = state.clocks, state.sheds
    for message in inbox:
        match message:
            case Setpoint(release=True) if not state.record.prior_w:
                acks.append(_nowhere_to_return(state, message))
            case Setpoint():
                lease, ack = leases.receive(
                    state.terms, lease, message, state.guard.enforced_w, now_s
                )
                sheds = sheds_of.release(sheds, lease, message)
                acks.append(_limited(ack, message, state.guard))
            case Shed():
                sheds, lease = sheds_of.hear(
                    state.terms, sheds, lease, message, state.guard.enforced_w
                )
            case NodeTable():
                sheds = sheds_of.learn(state.terms, sheds, message)
            case Frontier():
                frontier = _suitable(state, message)
            case Connected():
                announce = True
            case ClockSet():
                clocks = answered(clocks, message, now_s)
            case WriteResult():
                pass
    state = replace(state, lease=lease, frontier=frontier, announce=announce)
    return replace(state, clocks=clocks, sheds=sheds), acks


def _nowhere_to_return(state: AgentState, setpoint: Setpoint) -> Ack:
    reason = "refused: the journal does not know the limits from before the first setpoint"
    incarnation = state.lease.incarnation
    return Ack(state.terms.node, incarnation, setpoint.fence, accepted=False, reason=reason)


def _limited(ack: Ack, setpoint: Setpoint, guard: Guard) -> Ack:
    """Say so when no cap of the cards is low enough for what was taken."""
    least_w = sum(card.reading.min_w for card in guard.cards.values())
    if not ack.accepted or setpoint.limit_w >= least_w:
        return ack
    return replace(ack, reason=f"{ack.reason}; the cards go no lower than {least_w:g} W")


def _suitable(state: AgentState, frontier: Frontier) -> Frontier | None:
    """The points that this node's knobs can reach, if the frontier is of its deployment."""
    if frontier.deployment != state.identity.deployment:
        return state.frontier
    return frontier if "clock" in state.identity.knobs else _unlocked(frontier)


def _unlocked(frontier: Frontier) -> Frontier:
    free = tuple(point for point in frontier.points if point.clock_mhz is None)
    return replace(frontier, points=free)


def _record(state: AgentState) -> tuple[AgentState, list[Effect]]:
    lease, record, slot = state.lease, state.record, state.sheds.slot
    freed = record.locked and state.clocks == Clocks()
    known = (record.armed, record.highest_epoch, record.shed)
    if (lease.armed, lease.highest_epoch, slot) == known and not freed:
        return state, []
    prior_w = record.prior_w
    if not record.armed:
        prior_w = {uuid: card.reading.enforced_w for uuid, card in state.guard.cards.items()}
    locked = record.locked and not freed
    record = Record(lease.armed, lease.highest_epoch, prior_w, locked, slot)
    return replace(state, record=record), [Journal(record)]


def _tune(state: AgentState, reading: Reading, now_s: float) -> AgentState:
    lease, ceiling_w = state.lease, state.ceiling_w
    if ceiling_w is None or lease.setpoint is None or not state.guard.cards:
        return state
    if lease.releasing:
        return state
    frontier = state.frontier
    if frontier is not None and not state.clocks.usable(now_s):
        frontier = _unlocked(frontier)
    order = Order(
        ceiling_w,
        lease.setpoint.target_tok_s,
        frontier,
        len(state.guard.cards),
        state.identity.service,
    )
    plant = Plant(
        state.meters.tok_s,
        state.meters.power_w,
        state.guard.enforced_w,
        reading.engine,
        reached=state.guard.reached and not state.guard.pending and state.clocks.known,
    )
    return replace(state, tuner=tune(state.tuner, order, plant, now_s))


def _plan(state: AgentState) -> tuple[AgentState, tuple[WriteCap, ...]]:
    """Without a lease the caps only come down; before the first setpoint they are not touched."""
    lease, ceiling_w = state.lease, state.ceiling_w
    if ceiling_w is None:
        return state, ()
    if lease.releasing:
        demand = Demand(ceiling_w, None, may_raise=True, prior_w=state.record.prior_w)
    else:
        cap_w = state.tuner.choice.cap_w if lease.held else None
        demand = Demand(ceiling_w, cap_w, lease.held)
    guard, writes = guards.plan(state.guard, demand)
    return replace(state, guard=guard), writes


def _clock(state: AgentState, now_s: float) -> tuple[AgentState, list[Effect]]:
    """The lock that the choice wants; without a lease, or a knob to lock them, clocks run free."""
    may = state.lease.held and not state.lease.releasing and "clock" in state.identity.knobs
    wanted = state.tuner.choice.clock_mhz if may else None
    if not to_ask(state.clocks, wanted, now_s):
        return state, []
    state = replace(state, clocks=asked(state.clocks, wanted))
    if wanted is None or state.record.locked:
        return state, [SetClock(wanted)]
    record = replace(state.record, locked=True)
    return replace(state, record=record), [Journal(record), SetClock(wanted)]


def _batch(state: AgentState, reading: Reading) -> int | None:
    if not state.lease.held or state.lease.releasing:
        return None
    return batch_of(reading.engine, state.tuner.choice.batch, reached=state.guard.reached)


def _describe(state: AgentState) -> tuple[AgentState, list[Effect]]:
    if not state.announce or not state.guard.known:
        return state, []
    cards = [card.reading for card in state.guard.cards.values()]
    description = Description(
        node=state.terms.node,
        incarnation=state.lease.incarnation,
        agent_version=state.identity.agent_version,
        deployment=state.identity.deployment,
        cards=tuple(card.uuid for card in cards),
        min_w=sum(card.min_w for card in cards),
        max_w=sum(card.max_w for card in cards),
        default_w=sum(card.default_w for card in cards),
        boot_gated=state.identity.boot_gated,
        knobs=state.identity.knobs,
    )
    return replace(state, announce=False), [Publish(description)]


def _report(state: AgentState, reading: Reading) -> Telemetry:
    said = snapshot.telemetry(
        state.terms.node, state.lease, state.guard, state.meters, reading, _notes(state)
    )
    said = sheds_of.reported(said, state.sheds, state.lease)
    return replace(said, clock_mhz=state.clocks.locked_mhz if state.clocks.known else None)


def _notes(state: AgentState) -> tuple[str, ...]:
    """What could not be done as asked, in words."""
    guard, frontier, notes = state.guard, state.frontier, []
    if guard.short_w > 0:
        notes.append(f"the cards go no lower: {guard.short_w:.1f} W above the ceiling")
    if frontier is not None and guard.cards and frontier.cards != len(guard.cards):
        notes.append(f"the frontier is for {frontier.cards} cards, there are {len(guard.cards)}")
    for uuid, card in guard.cards.items():
        if not card.answered:
            notes.append(f"{uuid} did not answer")
        elif card.write and card.write.error:
            notes.append(f"{uuid}: {card.write.error[:200]}")
    return tuple(notes)
