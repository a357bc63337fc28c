"""What operators set: budgets, the policy, arming and lockouts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table, delete, insert, select

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.errors import NotFound
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import insert_or_ignore, upsert
from orchestrator.store.tables import arming, budgets, lockouts, policies

Clock = Callable[[], datetime]


class Budgets:
    """Operators' budgets by id."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def list(self) -> list[Budget]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(budgets).order_by(budgets.c.id)).mappings()
            return [_budget(row) for row in rows]

    def put(self, budget: Budget) -> None:
        """Create a budget or replace the one with its id."""
        row = {
            "id": budget.id,
            "limit_id": budget.limit_id,
            "limit_w": budget.limit_w,
            "start_time": budget.start,
            "end_time": budget.end,
            "days": json.dumps(budget.days),
            "timezone": budget.timezone,
            "created_at": self._clock(),
        }
        with writing(self._engine) as connection:
            upsert(connection, budgets, row)

    def delete(self, budget_id: str) -> None:
        """Remove a budget. Raises NotFound."""
        if not _delete(self._engine, budgets, id=budget_id):
            raise NotFound(f"no budget has the id {budget_id!r}")


class Policies:
    """The policy on carbon and prices; every version is kept."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def get(self) -> GridPolicy:
        """The policy in force; one that asks for nothing where none was set."""
        query = select(policies).order_by(policies.c.version.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return GridPolicy()
        return GridPolicy(**{name: row[name] for name in asdict(GridPolicy())})

    def put(self, policy: GridPolicy) -> None:
        with writing(self._engine) as connection:
            connection.execute(insert(policies), {**asdict(policy), "created_at": self._clock()})


class Arming:
    """Ids of the limits whose nodes may be sent setpoints."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def armed(self) -> frozenset[str]:
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(arming.c.limit_id)).scalars())

    def arm(self, limit_id: str, by: str | None = None) -> None:
        """Arm the nodes below a limit; the first time counts."""
        row = {"limit_id": limit_id, "armed_by": by, "armed_at": self._clock()}
        with writing(self._engine) as connection:
            insert_or_ignore(connection, arming, [row])

    def disarm(self, limit_id: str) -> None:
        _delete(self._engine, arming, limit_id=limit_id)


class Lockouts:
    """Nodes that nothing may be sent to."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def locked(self) -> frozenset[str]:
        return frozenset(self.reasons())

    def reasons(self) -> dict[str, str]:
        """Why each node is locked out."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(lockouts.c.node, lockouts.c.reason))
            return {row.node: row.reason for row in rows}

    def lock(self, node_id: str, reason: str, by: str | None = None) -> None:
        """Lock a node out, or replace the reason."""
        row = {"node": node_id, "reason": reason, "locked_by": by, "locked_at": self._clock()}
        with writing(self._engine) as connection:
            upsert(connection, lockouts, row)

    def release(self, node_id: str) -> None:
        _delete(self._engine, lockouts, node=node_id)


def _delete(engine: Engine, table: Table, **key: str) -> bool:
    ((column, value),) = key.items()
    with writing(engine) as connection:
        return bool(connection.execute(delete(table).where(table.c[column] == value)).rowcount)


def _budget(row: Mapping[Any, Any]) -> Budget:
    return Budget(
        id=row["id"],
        limit_id=row["limit_id"],
        limit_w=row["limit_w"],
        start=row["start_time"],
        end=row["end_time"],
        days=tuple(json.loads(row["days"])),
        timezone=row["timezone"],
    )
