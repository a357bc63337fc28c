"""The fast path: one small broadcast moves every node of a site to a level of its own table."""

from dataclasses import dataclass
from typing import Final

from orchestrator.domain.setpoint import Fence

NO_LEVEL: Final = 0
"""The level that moves nothing: a broadcast of it is a canary."""


@dataclass(frozen=True, slots=True)
class Shed:
    """The broadcast: every node goes to this level, or stays where it is if that is lower.

    fence: its own order, apart from that of setpoints; canaries and sheds share it.
    level: 1 and deeper; NO_LEVEL in a canary, which only shows that the path is open.
    table: hash of the site's table; a node that does not hold it goes to the tightest level.
    decision_id: of the decision that needed it, empty in a canary.
    """

    fence: Fence
    level: int
    table: str
    decision_id: str = ""

    @property
    def canary(self) -> bool:
        """Whether it moves nothing."""
        return self.level == NO_LEVEL


@dataclass(frozen=True, slots=True)
class NodeTable:
    """One node's row of the site's table.

    table: hash of the whole. caps_w: of level 1 and deeper, falling; sums of card limits, watts.
    """

    node: str
    table: str
    caps_w: tuple[float, ...]

    def cap_w(self, level: int) -> float:
        """The cap of a level from 1; the tightest for a level beyond the table."""
        return self.caps_w[min(level, len(self.caps_w)) - 1]
