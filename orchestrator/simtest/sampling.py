"""The plant of a simulated host, run when somebody looks, its true power sampled all the while."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numba import njit

from integrations.twin.core import advance
from integrations.twin.node import SimNode

SLICE_S: Final = 0.1


@dataclass
class Plant:
    """A node that lags behind the world's clock until it matters.

    slices: the moment that the world has reached, in tenths of a second. wall_w: the server's true
    power at the end of every slice since `take` was last called.
    """

    node: SimNode
    slices: int = 0
    wall_w: list[float] = field(default_factory=list)
    _reached: int = 0

    @property
    def live(self) -> SimNode:
        """The node as it is now."""
        self.catch_up()
        return self.node

    def catch_up(self) -> None:
        """Run the node to the world's moment."""
        count = self.slices - self._reached
        if count > 0:
            watts, c = np.empty(count), self.node.coefficients
            sampled = self.node.deployment.card.sampled
            _sample(self.node.state, c, sampled, self._reached, watts)
            self._reached = self.slices
            self.node.time_s = self.slices * SLICE_S
            self.wall_w += (c.host_factor * watts + c.host_w).tolist()

    def take(self) -> list[float]:
        """The samples up to now."""
        self.catch_up()
        found, self.wall_w = self.wall_w, []
        return found


@njit(cache=True, error_model="numpy")
def _sample(s: Any, c: Any, sampled: float, reached: int, watts: Any) -> None:
    for index in range(watts.size):
        advance(s, c, sampled, (reached + index + 1) * 0.1)
        total = 0.0
        for card in range(s.cards.size):
            total += s.cards[card].power_w
        watts[index] = total
