"""What the services need of the store. Everything here raises DatabaseUnavailable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.decision import Decision
from orchestrator.domain.signals import Signal, SignalKey


class Signals(Protocol):
    """Every signal that was ever taken, cancelled ones included."""

    def add(self, signal: Signal, raw: bytes, origin: str, received_at: datetime) -> bool:
        """True when it is new, False when it was there. Raises DuplicateSignal."""

    def cancel(self, key: SignalKey, at: datetime) -> None:
        """Mark it withdrawn. Raises NotFound."""

    def end(self, key: SignalKey, at: datetime) -> None:
        """Give it an end. Raises NotFound."""

    def standing(self, now: datetime) -> Sequence[Signal]:
        """Signals that are neither over nor withdrawn."""


class Audit(Protocol):
    """Who did what, and what was refused."""

    def add(self, at: datetime, who: str, action: str, subject: str, detail: str) -> None: ...


class Budgets(Protocol):
    """Operators' budgets by id."""

    def list(self) -> Sequence[Budget]: ...

    def put(self, budget: Budget) -> None: ...

    def delete(self, budget_id: str) -> None:
        """Raises NotFound."""


class Policies(Protocol):
    """The one policy on carbon and prices."""

    def get(self) -> GridPolicy: ...

    def put(self, policy: GridPolicy) -> None: ...


class Arming(Protocol):
    """Ids of the limits whose nodes may be sent setpoints."""

    def armed(self) -> frozenset[str]: ...

    def arm(self, limit_id: str, by: str) -> None: ...

    def disarm(self, limit_id: str) -> None: ...


class Lockouts(Protocol):
    """Nodes that nothing may be sent to."""

    def locked(self) -> frozenset[str]: ...

    def lock(self, node_id: str, reason: str, by: str) -> None: ...

    def release(self, node_id: str) -> None: ...


class Decisions(Protocol):
    """Decisions with their inputs."""

    def get(self, decision_id: str) -> Decision:
        """Raises NotFound."""
