"""What waits for the database: signals, withdrawals and audit notes, in the order they came."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from orchestrator.domain.errors import BallastError, DatabaseUnavailable
from orchestrator.domain.signals import Signal, SignalKey, Withdrawal

log = structlog.get_logger(__name__)

CAPACITY = 2_000
NOTE_CAPACITY = CAPACITY // 2
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class WaitingSignal:
    """A checked signal as it came."""

    signal: Signal
    raw: bytes
    origin: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class AuditNote:
    """One line of the audit."""

    at: datetime
    who: str
    action: str
    subject: str
    detail: str = ""


Waiting = WaitingSignal | Withdrawal | AuditNote


class IntakeQueue:
    """A bounded queue and the one thread that works it off; it stops at a database that is away.

    A full queue refuses signals and drops audit notes, which are counted.
    """

    def __init__(
        self,
        store: Callable[[WaitingSignal], None],
        withdraw: Callable[[Withdrawal], None],
        note: Callable[[AuditNote], None],
    ) -> None:
        self._store = store
        self._withdraw = withdraw
        self._note = note
        self._items: deque[Waiting] = deque()
        self._working = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def start(self) -> None:
        """Begin to work off what waits."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Try once more and end, within the bound."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def holds(self, key: SignalKey) -> bool:
        """Whether a signal waits."""
        return any(
            isinstance(item, WaitingSignal) and item.signal.key == key for item in list(self._items)
        )

    def put(self, item: WaitingSignal | Withdrawal) -> None:
        """Enqueue what must not be lost. Raises DatabaseUnavailable when the queue is full."""
        if len(self._items) >= CAPACITY:
            raise DatabaseUnavailable("too many signals wait for the database; send it again later")
        self._items.append(item)
        self._wake.set()

    def put_note(self, note: AuditNote) -> None:
        """Enqueue a line of the audit, or count it as dropped."""
        if len(self._items) >= NOTE_CAPACITY:
            self.dropped += 1
            return
        self._items.append(note)
        self._wake.set()

    def work_off(self) -> None:
        """Handle what waits, in order, until the queue is empty or the database is away."""
        with self._working:
            while self._items:
                try:
                    self._handle(self._items[0])
                except DatabaseUnavailable as error:
                    log.warning("intake waits", waiting=len(self._items), reason=str(error))
                    return
                except BallastError:
                    log.exception("a waiting item cannot be stored and is left out")
                self._items.popleft()

    def _handle(self, item: Waiting) -> None:
        match item:
            case WaitingSignal():
                self._store(item)
            case Withdrawal():
                self._withdraw(item)
            case AuditNote():
                self._note(item)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(RETRY_S)
            self._wake.clear()
            self._guarded()
        self._guarded()

    def _guarded(self) -> None:
        try:
            self.work_off()
        except Exception:
            log.exception("intake failed on an item and leaves it out")
            self._items.popleft()
