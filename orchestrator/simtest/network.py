"""The broker and the links to it: messages are lost, doubled, late, out of order, or held back."""

import heapq
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

TRANSIT_S: Final = 0.05


@dataclass
class Link:
    """One client's way to the broker. Chances and seconds; see faults.FAULTS.

    cut: nothing passes. Until then sent messages are lost, for sessions are clean.
    """

    loss: float = 0.0
    double: float = 0.0
    delay_s: float = 0.0
    cut: bool = False


@dataclass
class Network:
    """Carries messages between named clients; every message crosses two links.

    keeps: whether a cut holds messages back until it ends, as a broker with sessions does.
    """

    random: Random
    links: dict[str, Link]
    keeps: bool = False
    _flying: list[tuple[float, int, str, Any]] = field(default_factory=list)
    _held: list[tuple[str, str, Any]] = field(default_factory=list)
    _sent: int = 0

    def send(self, sender: str, to: str, message: object, now_s: float) -> None:
        """Publish a message to one subscriber."""
        ways = (self.links[sender], self.links[to])
        if any(way.cut for way in ways):
            if self.keeps:
                self._held.append((sender, to, message))
            return
        for way in ways:
            if way.loss and self.random.random() < way.loss:
                return
        self._launch(to, message, now_s, ways)
        if any(way.double and self.random.random() < way.double for way in ways):
            self._launch(to, message, now_s + self.random.random() * 5.0, ways)

    def due(self, now_s: float) -> list[tuple[str, Any]]:
        """Messages that arrive by now, in the order in which they do; a cut link loses them."""
        found = []
        while self._flying and self._flying[0][0] <= now_s:
            _, _, to, message = heapq.heappop(self._flying)
            if not self.links[to].cut:
                found.append((to, message))
        return found

    def release(self, now_s: float) -> None:
        """Deliver what sessions have kept, and may deliver."""
        held, self._held = self._held, []
        for sender, to, message in held:
            self.send(sender, to, message, now_s)

    def forget(self) -> None:
        """The broker has lost everything on its way."""
        self._flying, self._held = [], []

    def _launch(self, to: str, message: object, now_s: float, ways: tuple[Link, ...]) -> None:
        late_s = sum(way.delay_s * self.random.random() for way in ways if way.delay_s)
        self._sent += 1
        item = (now_s + TRANSIT_S + late_s, self._sent, to, message)
        heapq.heappush(self._flying, item)
