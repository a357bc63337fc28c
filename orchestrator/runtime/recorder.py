"""Carries out the effects that touch the database, in order, away from the control thread."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from orchestrator.domain.breach import Breach
from orchestrator.domain.decision import Decision
from orchestrator.domain.errors import BallastError, Conflict, DatabaseUnavailable
from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.setpoint import Setpoint
from orchestrator.messages import (
    CommitGrants,
    Effect,
    EpochSeen,
    GrantCommitted,
    GrantFailed,
    Input,
    LowerLedger,
    SendSetpoint,
    StepDown,
    StoreBreach,
    StoreDecision,
    StoreEvent,
    StoreShortfall,
    TakenOver,
)
from orchestrator.ports import Ledger

log = structlog.get_logger(__name__)

KEPT = 20_000
RETRY_S = 1.0


class Records(Protocol):
    """Where decisions, events, breaches and the like are kept. Raises DatabaseUnavailable."""

    def add_decision(self, decision: Decision, epoch: int) -> None: ...

    def put_event(self, event: EventRecord) -> None: ...

    def add_shortfall(self, shortfall: Shortfall) -> None: ...

    def put_breach(self, breach: Breach) -> None: ...

    def add_setpoint(self, setpoint: Setpoint, kind: str) -> None: ...


class Recorder:
    """One writer thread. The ledger answers at once or the raise fails; records are retried.

    submit: takes the answers back to the control thread.
    """

    def __init__(
        self, ledger: Ledger, records: Records, epoch: int, submit: Callable[[Input], None]
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._epoch = epoch
        self._submit = submit
        self._inbox: queue.SimpleQueue[Effect] = queue.SimpleQueue()
        self._unwritten: deque[Effect] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what waits, within the bound, and end."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def put(self, effect: Effect) -> None:
        """Hand over one effect; never blocks."""
        self._inbox.put(effect)

    def waiting(self) -> int:
        """Records not yet written."""
        return len(self._unwritten) + self._inbox.qsize()

    def _run(self) -> None:
        while not self._stopping.is_set() or self._inbox.qsize():
            with contextlib.suppress(queue.Empty):
                self._take(self._inbox.get(timeout=RETRY_S))
            self._write()
        self._write()

    def _take(self, effect: Effect) -> None:
        match effect:
            case CommitGrants():
                self._commit(effect)
            case LowerLedger(held_w):
                self._lower(held_w)
            case StepDown(seen_epoch):
                self._take_over(seen_epoch)
            case _:
                self._keep(effect)

    def _commit(self, effect: CommitGrants) -> None:
        try:
            self._ledger.commit(self._epoch, effect.grants)
        except BallastError as error:
            log.warning("the ledger did not take a raise; it is not sent", reason=str(error))
            for grant in effect.grants:
                self._submit(GrantFailed(grant.node, grant.fence))
            if isinstance(error, Conflict):
                self._submit(EpochSeen(self._epoch + 1))
            return
        for grant in effect.grants:
            self._submit(GrantCommitted(grant.node, grant.fence))

    def _lower(self, held_w: Mapping[str, float]) -> None:
        try:
            self._ledger.lower(self._epoch, held_w)
        except BallastError as error:
            log.warning("the ledger keeps charging what evidence has freed", reason=str(error))

    def _take_over(self, seen_epoch: int) -> None:
        while not self._stopping.is_set():
            try:
                takeover = self._ledger.take_over(at_least=seen_epoch)
            except DatabaseUnavailable as error:
                log.warning("cannot take over yet; trying again", reason=str(error))
                self._stopping.wait(RETRY_S)
                continue
            self._epoch = takeover.epoch
            self._submit(TakenOver(takeover))
            return

    def _keep(self, effect: Effect) -> None:
        if len(self._unwritten) >= KEPT:
            self._unwritten.popleft()
            self.dropped += 1
        self._unwritten.append(effect)

    def _write(self) -> None:
        while self._unwritten:
            try:
                self._write_one(self._unwritten[0])
            except DatabaseUnavailable as error:
                log.warning(
                    "records wait for the database", waiting=self.waiting(), reason=str(error)
                )
                return
            except BallastError:
                log.exception("a record cannot be written and is left out")
            self._unwritten.popleft()

    def _write_one(self, effect: Effect) -> None:
        match effect:
            case StoreDecision(decision):
                self._records.add_decision(decision, self._epoch)
            case StoreEvent(event):
                self._records.put_event(event)
            case StoreShortfall(shortfall):
                self._records.add_shortfall(shortfall)
            case StoreBreach(breach):
                self._records.put_breach(breach)
            case SendSetpoint(setpoint, kind):
                self._records.add_setpoint(setpoint, kind)
            case _:
                raise TypeError(f"{type(effect).__name__} is not a record")
