"""What was broadcast to the whole site, and what of it is still under way."""

from dataclasses import dataclass, field

from orchestrator.domain.setpoint import Fence
from orchestrator.domain.shed import NO_LEVEL, Shed
from orchestrator.domain.shed_table import ShedTable, shed_table
from orchestrator.domain.signals import SignalKey
from orchestrator.domain.topology import Topology

CANARIES_KEPT = 3


@dataclass(slots=True)
class Broadcasts:
    """The fast path's memory; times are monotonic seconds.

    sequence: of the last broadcast; with the leader's epoch it is never used twice.
    shed: the last one; begun_s: when it was needed; sent_s: when it was last sent.
    emergencies: those that were in force at the last step, answered already.
    canaries: fences of the last few, the oldest first.
    """

    sequence: int = 0
    shed: Shed | None = None
    begun_s: float = float("-inf")
    sent_s: float = float("-inf")
    emergencies: frozenset[SignalKey] = frozenset()
    canaries: tuple[Fence, ...] = ()
    canary_s: float = float("-inf")
    _table: tuple[Topology, ShedTable] | None = field(default=None, repr=False)

    def table(self, topology: Topology) -> ShedTable:
        """The site's table, made once for a topology."""
        if self._table is None or self._table[0] is not topology:
            self._table = (topology, shed_table(topology))
        return self._table[1]

    def begin(self, epoch: int, level: int, table: str, decision_id: str, now_s: float) -> Shed:
        """A new shed, later than everything before it."""
        self.shed = Shed(self._next(epoch), level, table, decision_id)
        self.begun_s = self.sent_s = now_s
        return self.shed

    def canary(self, epoch: int, table: str, now_s: float) -> Shed:
        """A new canary."""
        found = Shed(self._next(epoch), NO_LEVEL, table)
        self.canaries = (*self.canaries, found.fence)[-CANARIES_KEPT:]
        self.canary_s = now_s
        return found

    def _next(self, epoch: int) -> Fence:
        self.sequence += 1
        return Fence(epoch, self.sequence)
