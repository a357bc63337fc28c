"""A simulated site's database: ledger, signals, events, budgets; it can be down, or restored."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from orchestrator.domain.budget import Budget
from orchestrator.domain.errors import Conflict, DatabaseUnavailable
from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.ports import Grant, Takeover


@dataclass
class Tables:
    """What is stored."""

    epoch: int = 0
    held_w: dict[str, float] = field(default_factory=dict)
    signals: dict[SignalKey, Signal] = field(default_factory=dict)
    events: dict[SignalKey, EventRecord] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)


@dataclass
class Database:
    """A Ledger, and the records beside it. granted: every raise that was ever written ahead."""

    tables: Tables = field(default_factory=Tables)
    down: bool = False
    granted: set[tuple[str, float, Fence]] = field(default_factory=set)
    shortfalls: list[Shortfall] = field(default_factory=list)

    def take_over(self, at_least: int = 0) -> Takeover:
        """A new leader's epoch, above every known one. Raises DatabaseUnavailable.

        A database that never heard of at_least is an old copy: its ledger is not believed.
        """
        self._check()
        if self.tables.epoch < at_least:
            self.tables.held_w.clear()
        self.tables.epoch = max(self.tables.epoch, at_least) + 1
        return Takeover(self.tables.epoch, dict(self.tables.held_w))

    def commit(self, epoch: int, grants: Sequence[Grant]) -> None:
        """Write raises ahead. Raises Conflict if another epoch leads, DatabaseUnavailable."""
        self._lead(epoch)
        held_w = self.tables.held_w
        for grant in grants:
            held_w[grant.node] = max(held_w.get(grant.node, 0.0), grant.limit_w)
            self.granted.add((grant.node, grant.limit_w, grant.fence))

    def lower(self, epoch: int, held_w: Mapping[str, float]) -> None:
        """Note what nodes hold at most. Raises as commit does."""
        self._lead(epoch)
        self.tables.held_w.update(held_w)

    def put_event(self, event: EventRecord) -> None:
        """Store an event's state. Raises DatabaseUnavailable."""
        self._check()
        self.tables.events[event.key] = event

    def add_shortfall(self, shortfall: Shortfall) -> None:
        """Store a shortfall. Raises DatabaseUnavailable."""
        self._check()
        self.shortfalls.append(shortfall)

    def copy(self) -> Tables:
        """A backup."""
        return deepcopy(self.tables)

    def _lead(self, epoch: int) -> None:
        self._check()
        if epoch != self.tables.epoch:
            raise Conflict(f"epoch {self.tables.epoch} leads")

    def _check(self) -> None:
        if self.down:
            raise DatabaseUnavailable("the database is down")
