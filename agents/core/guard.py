"""The guard: which caps to write now, so that the sum never passes the ceiling on the way.

Decreases go first. A raise waits until the limits that all cards enforce, or may yet enforce,
leave room for it. A limit that another hand lowered is kept; one that another hand raised is
reported, charged, and left alone until the ceiling changes or the lease ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agents.core import card as cards_of
from agents.core.card import Card
from agents.core.effects import WriteCap, WriteResult
from agents.core.level import level
from orchestrator.domain.telemetry import CardReading

EPSILON_W: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Demand:
    """What the caps shall be. ceiling_w: their sum. cap_w: per card, None for equal shares.

    may_raise: whether a lease is in force. prior_w: the highest cap of each card by itself, where
    they are given back; a card that is not among them stays where it is.
    """

    ceiling_w: float
    cap_w: float | None
    may_raise: bool
    prior_w: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """State of the guard.

    targets_w: caps last aimed at. short_w: watts above the ceiling that no card's range allows to
    take away. clamped_up, clamped_down: caps that a card's range moved since the start, by
    direction. baseline: the next reading is taken as given.
    """

    cards: Mapping[str, Card] = field(default_factory=dict)
    demand: Demand | None = None
    targets_w: Mapping[str, float] = field(default_factory=dict)
    short_w: float = 0.0
    clamped_up: int = 0
    clamped_down: int = 0
    baseline: bool = True

    @property
    def known(self) -> bool:
        """Whether there are cards and the newest reading held every one of them."""
        return bool(self.cards) and all(card.answered for card in self.cards.values())

    @property
    def enforced_w(self) -> float | None:
        """Sum of enforced limits, None when a card did not answer."""
        if not self.known:
            return None
        return sum(card.reading.enforced_w for card in self.cards.values())

    @property
    def charge_w(self) -> float:
        """The highest sum that the cards may enforce."""
        return sum(card.charge_w for card in self.cards.values())

    @property
    def pending(self) -> bool:
        """Whether a write is out or was not read back."""
        return any(card.pending for card in self.cards.values())

    @property
    def reached(self) -> bool:
        """Whether every card is read back at no less than its target."""
        return self.known and all(
            card.reading.enforced_w >= self.targets_w.get(uuid, 0.0) - cards_of.SAME_W
            for uuid, card in self.cards.items()
        )

    @property
    def foreign(self) -> tuple[str, ...]:
        """Cards whose limit somebody else changed."""
        return tuple(uuid for uuid, card in self.cards.items() if card.foreign)


def settle(guard: Guard, results: Iterable[WriteResult]) -> Guard:
    """Take note of writes that returned."""
    cards = dict(guard.cards)
    for result in results:
        if result.uuid in cards:
            cards[result.uuid] = cards_of.returned(cards[result.uuid], result.limit_w, result.error)
    return replace(guard, cards=cards)


def observe(guard: Guard, readings: Iterable[CardReading]) -> Guard:
    """Take new readings; cards that are not among them did not answer."""
    cards = {uuid: replace(card, answered=False) for uuid, card in guard.cards.items()}
    for reading in readings:
        known = cards.get(reading.uuid)
        if known and guard.baseline:
            known = replace(known, reading=reading)
        cards[reading.uuid] = cards_of.read(known, reading) if known else Card(reading)
    return replace(guard, cards=cards, baseline=False)


def forget_hands(guard: Guard) -> Guard:
    """Take whatever is enforced at the next reading as given, as a fresh start would."""
    cards = {
        uuid: replace(card, foreign=False, tries=0, write=card.write if card.flying else None)
        for uuid, card in guard.cards.items()
    }
    return replace(guard, cards=cards, demand=None, baseline=True)


def plan(guard: Guard, demand: Demand) -> tuple[Guard, tuple[WriteCap, ...]]:
    """The writes to make now, decreases first."""
    if demand != guard.demand:
        guard = _renew(guard, demand)
    lows, highs = _bounds(guard, demand)
    caps = level(demand.ceiling_w, list(lows.values()), list(highs.values()))
    targets = dict(zip(guard.cards, caps, strict=True))
    guard = replace(
        guard, targets_w=targets, short_w=max(0.0, sum(caps) - demand.ceiling_w - EPSILON_W)
    )
    writes = (*_decreases(guard), *_raises(guard, demand))
    return _written(guard, writes), writes


def _renew(guard: Guard, demand: Demand) -> Guard:
    """Count what the cards' ranges move; a new ceiling ends patience with raised cards."""
    share_w = demand.ceiling_w / max(1, len(guard.cards))
    cap_w = share_w if demand.cap_w is None else demand.cap_w
    readings = [card.reading for card in guard.cards.values()]
    moved = guard.demand is None or demand.ceiling_w != guard.demand.ceiling_w
    cards = {
        uuid: replace(card, foreign=False)
        if guard.demand is None or (moved and _raised(guard, uuid))
        else card
        for uuid, card in guard.cards.items()
    }
    return replace(
        guard,
        cards=cards,
        demand=demand,
        clamped_up=guard.clamped_up + sum(cap_w < reading.min_w for reading in readings),
        clamped_down=guard.clamped_down + sum(cap_w > reading.max_w for reading in readings),
    )


def _raised(guard: Guard, uuid: str) -> bool:
    """Whether another hand lifted a card above what the agent had last aimed at."""
    card = guard.cards[uuid]
    target_w = guard.targets_w.get(uuid, card.reading.enforced_w)
    asked_w = card.write.limit_w if card.write else target_w
    return card.foreign and card.reading.enforced_w > asked_w


def _bounds(guard: Guard, demand: Demand) -> tuple[dict[str, float], dict[str, float]]:
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for uuid, card in guard.cards.items():
        lows[uuid], highs[uuid] = _range(card, demand, raised=_raised(guard, uuid))
    return lows, highs


def _range(card: Card, demand: Demand, *, raised: bool) -> tuple[float, float]:
    """Lowest and highest cap of a card; both its charge where it cannot or may not be written."""
    if card.flying or (raised and demand.may_raise):
        return card.charge_w, card.charge_w
    low_w, high_w = card.reading.min_w, card.reading.max_w
    if demand.cap_w is not None:
        high_w = max(low_w, min(high_w, demand.cap_w))
    if demand.prior_w is not None:
        high_w = min(high_w, demand.prior_w.get(card.reading.uuid, card.least_w))
    if not demand.may_raise or card.foreign:
        high_w = min(high_w, card.least_w)
    return min(low_w, high_w), high_w


def _decreases(guard: Guard) -> list[WriteCap]:
    return [
        WriteCap(uuid, target_w, raises=False)
        for uuid, target_w in guard.targets_w.items()
        if _writable(guard.cards[uuid], target_w)
        and target_w < guard.cards[uuid].charge_w - EPSILON_W / 2
    ]


def _raises(guard: Guard, demand: Demand) -> list[WriteCap]:
    if not demand.may_raise or not guard.known:
        return []
    writes, total_w = [], guard.charge_w
    for uuid, target_w in guard.targets_w.items():
        card = guard.cards[uuid]
        extra_w = target_w - card.charge_w
        if not _writable(card, target_w) or extra_w < EPSILON_W / 2:
            continue
        if total_w + extra_w <= demand.ceiling_w + EPSILON_W:
            writes.append(WriteCap(uuid, target_w, raises=True))
            total_w += extra_w
    return writes


def _writable(card: Card, target_w: float) -> bool:
    return not card.flying and not card.has(target_w)


def _written(guard: Guard, writes: Iterable[WriteCap]) -> Guard:
    cards = dict(guard.cards)
    for write in writes:
        cards[write.uuid] = cards_of.written(cards[write.uuid], write.limit_w)
    return replace(guard, cards=cards)
