"""What can be turned on a node, and what its host draws beside its cards."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """A setting of all knobs: cap per card, batch of the node, clock lock."""

    cap_w: float
    batch: int
    clock_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Wall:
    """The host of a node: factor x cards + watts at the wall."""

    factor: float
    watts: float

    def cards_w(self, wall_w: float) -> float:
        """What the cards may draw together when the host may draw wall_w."""
        return (wall_w - self.watts) / self.factor

    def of(self, cards_w: float) -> float:
        """What the host draws."""
        return self.factor * cards_w + self.watts
