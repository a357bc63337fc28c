"""The orchestrator's process: the real control step, and a recorder that writes in order."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator.control.state import ENDED, ControlSettings, State, new_state
from orchestrator.control.step import step
from orchestrator.domain.errors import Conflict, DatabaseUnavailable
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.moment import Moment
from orchestrator.domain.topology import Topology
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    CommitGrants,
    Effect,
    EpochSeen,
    FrontiersChanged,
    GrantCommitted,
    GrantFailed,
    Input,
    LowerLedger,
    SendSetpoint,
    SendShed,
    SignalReceived,
    StepDown,
    StoreEvent,
    StoreShortfall,
    TakenOver,
)
from orchestrator.simtest.database import Database

TICK_S: Final = 0.5


@dataclass
class Service:
    """One orchestrator process; crash_after: effects of the next step that are carried out."""

    name: str
    state: State
    database: Database
    inbox: list[Input] = field(default_factory=list)
    queue: deque[Effect] = field(default_factory=deque)
    due_s: float = 0.0
    resumes_s: float = 0.0
    crash_after: int | None = None

    def urgent(self) -> bool:
        """Whether something waits that must not wait for the next tick."""
        return any(isinstance(item, SignalReceived | BudgetsChanged) for item in self.inbox)

    def run(
        self, now: Moment, check: Callable[["Service", list[Effect]], None]
    ) -> Iterator[Effect]:
        """Take one step; yields what is to be published, until the process dies in between."""
        inputs, self.inbox = self.inbox, []
        self.due_s = now.monotonic_s + TICK_S
        effects = step(self.state, inputs, now)
        check(self, effects)
        for position, effect in enumerate(effects):
            if self.crash_after is not None and position >= self.crash_after:
                raise Crashed
            if isinstance(effect, SendSetpoint | SendShed):
                yield effect
            else:
                self.queue.append(effect)
        if self.crash_after is not None:
            raise Crashed

    def record(self) -> None:
        """The recorder's turn: grants are answered at once, records wait for the database."""
        waiting, self.queue = self.queue, deque()
        while waiting:
            effect = waiting.popleft()
            try:
                self._write(effect)
            except DatabaseUnavailable:
                self.queue.append(effect)

    def _write(self, effect: Effect) -> None:
        match effect:
            case CommitGrants():
                self._commit(effect)
            case LowerLedger(held_w):
                self._lower(held_w)
            case StepDown(seen_epoch):
                self.inbox.append(TakenOver(self.database.take_over(seen_epoch)))
            case StoreEvent(event):
                self.database.put_event(event)
            case StoreShortfall(shortfall):
                self.database.add_shortfall(shortfall)
            case _:
                pass

    def _commit(self, effect: CommitGrants) -> None:
        try:
            self.database.commit(self.state.epoch, effect.grants)
        except (Conflict, DatabaseUnavailable) as error:
            self.inbox += [GrantFailed(grant.node, grant.fence) for grant in effect.grants]
            if isinstance(error, Conflict):
                self.inbox.append(EpochSeen(self.state.epoch + 1))
            return
        self.inbox += [GrantCommitted(grant.node, grant.fence) for grant in effect.grants]

    def _lower(self, held_w: Mapping[str, float]) -> None:
        try:
            self.database.lower(self.state.epoch, held_w)
        except (Conflict, DatabaseUnavailable):
            return


class Crashed(Exception):
    """The process has died between two effects."""


def start(
    name: str,
    settings: ControlSettings,
    topology: Topology,
    frontiers: dict[str, Frontier],
    database: Database,
    retained_epoch: int,
    now: Moment,
) -> Service:
    """A process that has just become leader. Raises DatabaseUnavailable."""
    takeover = database.take_over()
    tables = database.tables
    events = tuple(event for event in tables.events.values() if event.status not in ENDED)
    service = Service(name, new_state(settings, topology, takeover, events, now), database)
    standing = [s for s in tables.signals.values() if s.ends_at is None or s.ends_at > now.utc]
    service.inbox += [
        FrontiersChanged(frontiers),
        BudgetsChanged(tuple(tables.budgets.values())),
        ArmingChanged(frozenset({topology.root.id})),
        EpochSeen(retained_epoch),
        *(SignalReceived(signal, stored=True) for signal in standing),
    ]
    return service
