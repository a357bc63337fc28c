"""The grid and the operators: they ask, insist until they are heard, and know what is due.

What is due is worked out here anew from what was acknowledged, not taken from the service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final

from orchestrator.domain.budget import Budget
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.topology import Topology
from orchestrator.messages import BudgetsChanged, Input, SignalCancelled, SignalReceived
from orchestrator.simtest.database import Database, Tables
from orchestrator.simtest.scenario import Ask

BEGIN: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
RETRY_S: Final = 2.0
DEADLINE_S: Final = 5.0
ALL_DAY: Final = time(0, 0)


@dataclass
class Wish:
    """An ask and how far it got. sent_s: when it was last said; heard: it was acknowledged."""

    ask: Ask
    name: str
    sent_s: float = float("-inf")
    heard: bool = False

    def signal(self) -> Signal:
        """The ask as a signal that starts when it is issued."""
        starts = BEGIN + timedelta(seconds=self.ask.at_s)
        key = SignalKey(self.ask.source, self.name)
        kind, value = self.ask.action, self.ask.value
        ends = starts + timedelta(seconds=self.ask.for_s)
        found: Signal = Signal(
            key,
            kind,  # type: ignore[arg-type]
            None if kind == "emergency" else value,
            starts,
            starts,
            ends,
            self.ask.limit_id,
            DEADLINE_S,
            alarm="breaker" if kind == "alarm" else None,
        )
        return found


@dataclass
class Grid:
    """Everybody who asks for something, and what the site owes them."""

    topology: Topology
    wishes: list[Wish]
    due: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    budgets: dict[str, tuple[float, Budget]] = field(default_factory=dict)

    def act(self, now_s: float, database: Database, serving: bool) -> list[Input]:
        """What services hear now. It is acknowledged once the database has it."""
        found: list[Input] = []
        for wish in self.wishes:
            if wish.heard or now_s < wish.ask.at_s or now_s < wish.sent_s + RETRY_S:
                continue
            if wish.ask.action != "cancel" and now_s >= wish.ask.at_s + wish.ask.for_s:
                wish.heard = True
                continue
            if serving:
                wish.sent_s = now_s
                found += self._say(wish, database)
        found += self._end_budgets(now_s, database) if serving else []
        return found

    def owe(self, now_s: float, tables: Tables) -> None:
        """Note what every limit is to be from now on."""
        for limit_id, watts in self._bounds_w(now_s, tables).items():
            known = self.due.setdefault(limit_id, [])
            if not known or known[-1][1] != watts:
                known.append((now_s, watts))

    def allowed_w(self, limit_id: str, now_s: float, slack_s: float) -> float:
        """What may be drawn: the highest that was in force within the deadline."""
        since_s = now_s - DEADLINE_S - slack_s
        found = 0.0
        for begins_s, watts in reversed(self.due[limit_id]):
            found = max(found, watts)
            if begins_s <= since_s:
                break
        return found

    def _say(self, wish: Wish, database: Database) -> list[Input]:
        if wish.ask.action == "cancel":
            return self._cancel(wish, database)
        if wish.ask.action == "budget":
            return self._budget(wish, database)
        signal = wish.signal()
        found: list[Input] = [SignalReceived(signal, stored=False)]
        if not database.down:
            database.tables.signals[signal.key] = signal
            wish.heard = True
            found.append(SignalReceived(signal, stored=True))
        return found

    def _cancel(self, wish: Wish, database: Database) -> list[Input]:
        """Only what is stored can be taken back, and only when that is stored."""
        if database.down:
            return []
        wish.heard = True
        keys = [key for key in database.tables.signals if key.source == wish.ask.source]
        if not keys:
            return []
        key = max(keys, key=lambda k: database.tables.signals[k].issued_at)
        del database.tables.signals[key]
        return [SignalCancelled(key)]

    def _budget(self, wish: Wish, database: Database) -> list[Input]:
        if database.down:
            return []
        wish.heard = True
        budget = Budget(wish.name, wish.ask.limit_id, wish.ask.value, ALL_DAY, ALL_DAY)
        self.budgets[wish.name] = (wish.ask.at_s + wish.ask.for_s, budget)
        database.tables.budgets[wish.name] = budget
        return [BudgetsChanged(tuple(database.tables.budgets.values()))]

    def _end_budgets(self, now_s: float, database: Database) -> list[Input]:
        over = [
            name
            for name, (ends_s, _) in self.budgets.items()
            if now_s >= ends_s and name in database.tables.budgets
        ]
        if not over or database.down:
            return []
        for name in over:
            del database.tables.budgets[name]
        return [BudgetsChanged(tuple(database.tables.budgets.values()))]

    def _bounds_w(self, now_s: float, tables: Tables) -> dict[str, float]:
        found = {limit.id: limit.limit_w for limit in self.topology.limits}
        for budget in tables.budgets.values():
            found[budget.limit_id] = min(found[budget.limit_id], budget.limit_w)
        for limit_id, watts in _asked_w(tables, BEGIN + timedelta(seconds=now_s)).values():
            found[limit_id] = min(found[limit_id], watts)
        return found


def _asked_w(tables: Tables, utc: datetime) -> Mapping[tuple[str, str, str], tuple[str, float]]:
    """By source, kind and limit, what the signal issued last asks for."""
    found: dict[tuple[str, str, str], tuple[str, float]] = {}
    for signal in sorted(tables.signals.values(), key=lambda s: (s.issued_at, -(s.value or 0.0))):
        event = tables.events.get(signal.key)
        watts = signal.value
        if signal.kind not in ("limit", "alarm"):
            watts = event.limit_w if event is not None else None
        if signal.limit_id is not None and watts is not None and signal.active_at(utc):
            slot = signal.key.id if signal.kind == "alarm" else signal.kind
            found[signal.key.source, slot, signal.limit_id] = (signal.limit_id, watts)
    return found
