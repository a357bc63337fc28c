"""The exposure ledger: what any node may hold, written before it is sent."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, case, delete, select, update

from orchestrator.domain.errors import Conflict, DatabaseUnavailable
from orchestrator.domain.setpoint import NO_FENCE
from orchestrator.ports import Grant, Takeover
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import insert_for
from orchestrator.store.record_tables import exposure_ledger, leadership


class SqlLedger:
    """The ledger in the database; every write is conditional on its writer still leading.

    leader: name of this process, for people.
    """

    def __init__(self, engine: Engine, leader: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._leader = leader
        self._clock = clock

    def take_over(self, at_least: int = 0) -> Takeover:
        """Become the leader with an epoch above every known one. Raises DatabaseUnavailable.

        A database that never heard of at_least is an old copy: what it says of nodes is dropped,
        for later leaders may have granted more.
        """
        with writing(self._engine) as connection:
            known = connection.execute(select(leadership.c.epoch).with_for_update()).scalar()
            if known is None:
                raise DatabaseUnavailable("the leadership row is missing; restore the database")
            if known < at_least:
                connection.execute(delete(exposure_ledger))
            epoch = max(known, at_least) + 1
            taken = {"epoch": epoch, "leader": self._leader, "taken_at": self._clock()}
            connection.execute(update(leadership).values(taken))
            return Takeover(epoch, _held_w(connection))

    def commit(self, epoch: int, grants: Sequence[Grant]) -> None:
        """Write raises ahead, all or none. Raises Conflict if another epoch leads now."""
        with writing(self._engine) as connection:
            _check_leads(connection, epoch)
            insert = insert_for(connection, exposure_ledger)
            old, new = exposure_ledger.c, insert.excluded
            change = insert.on_conflict_do_update(
                index_elements=[old.node],
                set_={
                    "held_w": case((new.held_w > old.held_w, new.held_w), else_=old.held_w),
                    "epoch": new.epoch,
                    "sequence": new.sequence,
                    "updated_at": new.updated_at,
                },
            )
            for grant in grants:
                connection.execute(change, _row(grant, self._clock()))

    def lower(self, epoch: int, held_w: Mapping[str, float]) -> None:
        """Note what evidence has shown nodes to hold at most. Raises Conflict as commit does.

        The caller keeps its own commits and lowerings in order.
        """
        now = self._clock()
        with writing(self._engine) as connection:
            _check_leads(connection, epoch)
            insert = insert_for(connection, exposure_ledger)
            new = insert.excluded
            change = insert.on_conflict_do_update(
                index_elements=[exposure_ledger.c.node],
                set_={"held_w": new.held_w, "updated_at": new.updated_at},
            )
            for node, watts in held_w.items():
                connection.execute(change, _row(Grant(node, watts, NO_FENCE), now))

    def held_w(self) -> dict[str, float]:
        """The most that each node may hold, in watts."""
        with reading(self._engine) as connection:
            return _held_w(connection)


def _row(grant: Grant, now: datetime) -> dict[str, object]:
    return {
        "node": grant.node,
        "held_w": grant.limit_w,
        "epoch": grant.fence.epoch,
        "sequence": grant.fence.sequence,
        "updated_at": now,
    }


def _check_leads(connection: Connection, epoch: int) -> None:
    # The row stays locked to the end, so that nobody takes over in the middle.
    leads = connection.execute(select(leadership.c.epoch).with_for_update()).scalar()
    if leads != epoch:
        raise Conflict(f"epoch {leads} leads now, not {epoch}: take over before writing")


def _held_w(connection: Connection) -> dict[str, float]:
    rows = connection.execute(select(exposure_ledger.c.node, exposure_ledger.c.held_w))
    return {row.node: row.held_w for row in rows}
