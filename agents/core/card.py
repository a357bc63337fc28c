"""One card as the guard sees it: what it enforces, what it may yet enforce, and who set it."""

from dataclasses import dataclass, replace
from typing import Final

from orchestrator.domain.telemetry import CardReading

SAME_W: Final = 1.0
"""A read-back this close to a written limit is that limit as the driver rounds it."""
MAX_TRIES: Final = 3
"""After so many raises without effect another hand, such as the BMC, holds the card."""


@dataclass(frozen=True, slots=True)
class Write:
    """The last limit that the agent asked a card for, in watts.

    low_w, high_w: bounds of what may be enforced until the card is read after the call returned.
    flying: the call has not returned. unread: no card was read since it was made. error: of the
    last call that returned, in words.
    """

    limit_w: float
    low_w: float
    high_w: float
    flying: bool = True
    unread: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Last reading and last write. answered: whether the newest reading held this card."""

    reading: CardReading
    answered: bool = True
    write: Write | None = None
    foreign: bool = False
    tries: int = 0

    @property
    def pending(self) -> bool:
        """Whether a write may still change what is enforced."""
        return self.write is not None and (self.write.flying or self.write.unread)

    @property
    def flying(self) -> bool:
        """Whether a write has not returned, so that the card cannot be written."""
        return self.write is not None and self.write.flying

    @property
    def charge_w(self) -> float:
        """The most that the card may enforce: the higher of old and new while a write is out."""
        if self.write is None or not self.pending:
            return self.reading.enforced_w
        return max(self.reading.enforced_w, self.write.high_w)

    @property
    def least_w(self) -> float:
        """The least that the card may enforce: the lower of old and new while a write is out."""
        if self.write is None or not self.pending:
            return self.reading.enforced_w
        return min(self.reading.enforced_w, self.write.low_w)

    def has(self, limit_w: float) -> bool:
        """Whether the card was asked for exactly this limit and does not show another."""
        write = self.write
        if write is None or write.error is not None or write.limit_w != limit_w:
            return False
        return self.pending or abs(self.reading.enforced_w - limit_w) <= SAME_W


def written(card: Card, limit_w: float) -> Card:
    """Note that a write is being made; earlier ones that nobody has read yet stay possible."""
    error = card.write.error if card.write else None
    low_w, high_w = min(card.least_w, limit_w), max(card.charge_w, limit_w)
    return replace(card, write=Write(limit_w, low_w, high_w, error=error))


def returned(card: Card, limit_w: float, error: str | None) -> Card:
    """Note that a write came back; only a later reading tells what it did."""
    if card.write is None or card.write.limit_w != limit_w:
        return card
    return replace(card, write=replace(card.write, flying=False, unread=True, error=error))


def read(card: Card, reading: CardReading) -> Card:
    """Take a new reading, and tell our own hand from another's."""
    changed = abs(reading.enforced_w - card.reading.enforced_w) > SAME_W
    as_asked = card.write is not None and abs(reading.enforced_w - card.write.limit_w) <= SAME_W
    tries = 0 if as_asked else card.tries + _in_vain(card, reading)
    strange = changed and not _possible(card, reading)
    return replace(
        card,
        reading=reading,
        answered=True,
        write=card.write and _read_back(card.write),
        foreign=not as_asked and (card.foreign or strange or tries >= MAX_TRIES),
        tries=tries,
    )


def _possible(card: Card, reading: CardReading) -> bool:
    """Whether writes of the agent explain what is enforced now."""
    return card.pending and (card.least_w - SAME_W <= reading.enforced_w <= card.charge_w + SAME_W)


def _in_vain(card: Card, reading: CardReading) -> bool:
    """Whether a raise came back as done and the card still enforces less."""
    write = card.write
    if write is None or write.flying or not write.unread or write.error is not None:
        return False
    return reading.enforced_w < write.limit_w - SAME_W


def _read_back(write: Write) -> Write:
    """Bounds after a reading: only a call that has not returned can still change anything."""
    return replace(write, unread=write.flying, low_w=write.limit_w, high_w=write.limit_w)
