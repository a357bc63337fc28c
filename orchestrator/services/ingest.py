"""Takes signals in: tighten first, store next, loosen last.

A new signal goes to the control thread before the database has seen it, as a tightening only;
once it is stored, control hears of it again and may loosen by it. With the database away the
signal waits in a bounded queue. A withdrawal loosens, so it is stored before control hears of it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from integrations.wire import topics
from integrations.wire.signal import decode_clearing, decode_signal
from orchestrator.domain.alarms import AlarmRule, cleared, with_ceiling
from orchestrator.domain.errors import (
    AccessDenied,
    BallastError,
    DatabaseUnavailable,
    DuplicateSignal,
    InvalidInput,
    InvalidSignal,
    NotFound,
)
from orchestrator.domain.signals import (
    Alarm,
    Signal,
    SignalBatch,
    SignalKey,
    Withdrawal,
    check_fresh,
)
from orchestrator.domain.timeline import BUDGET_SOURCE, RECOVERY_SOURCE
from orchestrator.domain.topology import Topology
from orchestrator.messages import SignalCancelled, SignalReceived
from orchestrator.ports import Control
from orchestrator.services.intake_queue import AuditNote, IntakeQueue, WaitingSignal
from orchestrator.services.repositories import Audit, Signals

log = structlog.get_logger(__name__)

OPERATOR_SOURCE = "operator"
RESERVED_SOURCES = frozenset({BUDGET_SOURCE, RECOVERY_SOURCE})
SIGNED_PREFIX = "dsx-"
MAX_AHEAD = timedelta(days=366)
REMEMBERED = 20_000
KEPT_BYTES = 2_048

BatchDecoder = Callable[[str, bytes, datetime], SignalBatch]


class Taken(StrEnum):
    """How a signal was taken: new and stored, known already, or waiting for the database."""

    NEW = "new"
    REPEATED = "repeated"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a sender."""

    signal: Signal
    taken: Taken


class Ingest:
    """The one way in for signals, whatever they came through.

    known: signals of before, so that a replay of one changes nothing. decode_targets: reads DSX
    Flex messages; None where none are expected. alarms: what each kind of alarm asks for.
    """

    def __init__(
        self,
        *,
        topology: Topology,
        signals: Signals,
        audit: Audit,
        control: Control,
        clock: Callable[[], datetime],
        known: Iterable[Signal] = (),
        decode_targets: BatchDecoder | None = None,
        alarms: Mapping[Alarm, AlarmRule] | None = None,
    ) -> None:
        self._topology = topology
        self._signals = signals
        self._audit = audit
        self._control = control
        self._clock = clock
        self._decode_targets = decode_targets
        self._alarms = alarms or {}
        self._known = OrderedDict((signal.key, signal) for signal in known)
        self._lock = threading.Lock()
        self.queue = IntakeQueue(self._store_waiting, self._withdraw, self._note)

    def receive_envelope(
        self, raw: bytes, origin: str, now: datetime, only_source: str | None = None
    ) -> Receipt:
        """Take an envelope that came over HTTP. Raises as receive does, and AccessDenied.

        only_source: the one source that the sender may speak for.
        """
        try:
            signal = with_ceiling(decode_signal(raw), self._alarms, self._topology)
            _check_source(signal.key.source, only_source)
            return self.receive(signal, raw, origin, now)
        except (InvalidInput, DuplicateSignal, AccessDenied) as error:
            self.reject(raw, origin, str(error), now)
            raise

    def receive(self, signal: Signal, raw: bytes, origin: str, now: datetime) -> Receipt:
        """Take a checked signal, and store it before returning if the database answers.

        Raises InvalidSignal when it is over, too far ahead or names an unknown limit,
        DuplicateSignal for a known id with other content, DatabaseUnavailable when too many wait.
        """
        waiting = WaitingSignal(signal, raw, origin, now)
        if not self._admit(waiting):
            return Receipt(signal, self._known_as(signal.key))
        try:
            self._store(waiting)
        except DatabaseUnavailable as error:
            log.warning("signal tightens at once and waits for the database", reason=str(error))
            self._enqueue(waiting)
            return Receipt(signal, Taken.WAITING)
        return Receipt(signal, Taken.NEW)

    def cancel(self, key: SignalKey, who: str, now: datetime) -> None:
        """Withdraw a signal. Raises NotFound, or DatabaseUnavailable and leaves it standing."""
        if self.queue.holds(key):
            self.queue.work_off()
        if self.queue.holds(key):
            raise DatabaseUnavailable("the signal still waits for the database; try again")
        self._cancel(key, who, now)

    def reject(self, raw: bytes, origin: str, reason: str, now: datetime) -> None:
        """Keep a message that was refused, with the reason, for whoever looks for it."""
        self.queue.put_note(_dead_letter(raw, origin, reason, now))

    def on_signal_message(self, topic: str, payload: bytes, _retained: bool = False) -> None:
        """Take an envelope that came over MQTT. Never raises and never waits for the database."""
        self._take(topic, payload, self._decode_message)

    def on_dsx_message(self, topic: str, payload: bytes, _retained: bool = False) -> None:
        """Take a DSX Flex load target. Never raises and never waits for the database."""
        if self._decode_targets is not None:
            self._take(topic, payload, self._decode_targets)

    def start(self) -> None:
        """Begin to work off what waits for the database."""
        self.queue.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Try once more to store what waits, and end."""
        self.queue.stop(timeout_s)

    def _take(self, topic: str, payload: bytes, decode: BatchDecoder) -> None:
        now = self._clock()
        try:
            batch = decode(topic, payload, now)
            for signal in batch.signals:
                self._check(signal, now)
            for withdrawal in batch.withdrawals:
                self.queue.put(withdrawal)
            for signal in batch.signals:
                waiting = WaitingSignal(signal, payload, f"mqtt:{topic}", now)
                if self._admit(waiting):
                    self._enqueue(waiting)
        except BallastError as error:
            log.warning("signal refused", topic=topic[:200], reason=str(error))
            self.reject(payload, f"mqtt:{topic}", str(error), now)
        except Exception:
            log.exception("signal could not be taken", topic=topic[:200])

    def _decode_message(self, topic: str, payload: bytes, _now: datetime) -> SignalBatch:
        clearing = decode_clearing(payload)
        if clearing is not None:
            _check_topic(topic, clearing.source)
            return SignalBatch((clearing,), ())
        signal = with_ceiling(decode_signal(payload), self._alarms, self._topology)
        _check_topic(topic, signal.key.source)
        return SignalBatch((), (signal,))

    def _check(self, signal: Signal, now: datetime) -> None:
        check_fresh(signal, now)
        if signal.starts_at - now > MAX_AHEAD:
            raise InvalidSignal("starts_at: more than a year ahead")
        if signal.limit_id is not None and signal.limit_id not in self._topology.limit_by_id:
            known = ", ".join(sorted(self._topology.limit_by_id)[:20])
            raise InvalidSignal(f"limit_id: unknown limit {signal.limit_id!r}; known: {known}")

    def _admit(self, waiting: WaitingSignal) -> bool:
        """Check a signal and let it tighten. False when it is an identical repeat."""
        signal = waiting.signal
        self._check(signal, waiting.received_at)
        with self._lock:
            before = self._known.get(signal.key)
            if before is None:
                self._remember(signal)
        if before is None:
            now = waiting.received_at
            self._control.submit(SignalReceived(_starting(signal, now), stored=False))
            return True
        if before != signal:
            raise _duplicate(signal.key)
        return False

    def _remember(self, signal: Signal) -> None:
        self._known[signal.key] = signal
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _known_as(self, key: SignalKey) -> Taken:
        return Taken.WAITING if self.queue.holds(key) else Taken.REPEATED

    def _enqueue(self, waiting: WaitingSignal) -> None:
        try:
            self.queue.put(waiting)
        except DatabaseUnavailable:
            self._forget(waiting.signal.key)
            self._control.submit(SignalCancelled(waiting.signal.key))
            raise

    def _forget(self, key: SignalKey) -> None:
        with self._lock:
            self._known.pop(key, None)

    def _store_waiting(self, waiting: WaitingSignal) -> None:
        try:
            self._store(waiting)
        except DuplicateSignal as error:
            self._note(_dead_letter(waiting.raw, waiting.origin, str(error), waiting.received_at))

    def _store(self, waiting: WaitingSignal) -> None:
        signal, now = waiting.signal, waiting.received_at
        try:
            new = self._signals.add(signal, waiting.raw, waiting.origin, now)
        except DuplicateSignal:
            self._forget(signal.key)
            self._restore(signal.key, now)
            raise
        if new:
            self._control.submit(SignalReceived(_starting(signal, now), stored=True))
        else:
            self._restore(signal.key, now)

    def _restore(self, key: SignalKey, now: datetime) -> None:
        """Tell control what the database holds under a key that was not remembered here."""
        found = [signal for signal in self._signals.standing(now) if signal.key == key]
        item = SignalReceived(found[0], stored=True) if found else SignalCancelled(key)
        self._control.submit(item)

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        now = self._clock()
        for signal in self._signals.standing(now):
            if _covers(withdrawal, signal, self._topology):
                with suppress(NotFound):
                    self._cancel(signal.key, withdrawal.source, now)

    def _cancel(self, key: SignalKey, who: str, now: datetime) -> None:
        alarm = self._standing_alarm(key, now)
        if alarm is not None:
            self._clear(alarm, who, now)
            return
        self._signals.cancel(key, now)
        self._control.submit(SignalCancelled(key))
        self.queue.put_note(AuditNote(now, who, "signal.cancelled", f"{key.source}/{key.id}"))

    def _standing_alarm(self, key: SignalKey, now: datetime) -> Signal | None:
        standing = (signal for signal in self._signals.standing(now) if signal.key == key)
        return next((signal for signal in standing if signal.kind == "alarm"), None)

    def _clear(self, alarm: Signal, who: str, now: datetime) -> None:
        """An alarm holds for a while after it was cleared; its end is stored before it loosens."""
        ending = cleared(alarm, now)
        if ending.ends_at is None or ending == alarm:
            return
        self._signals.end(alarm.key, ending.ends_at)
        self._control.submit(SignalReceived(ending, stored=True))
        name = f"{alarm.key.source}/{alarm.key.id}"
        self.queue.put_note(AuditNote(now, who, "alarm.cleared", name))

    def _note(self, note: AuditNote) -> None:
        self._audit.add(note.at, note.who, note.action, note.subject, note.detail)


def _dead_letter(raw: bytes, origin: str, reason: str, now: datetime) -> AuditNote:
    body = raw[:KEPT_BYTES].decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return AuditNote(now, origin[:200], "signal.rejected", "signal", f"{reason[:500]} | {body}")


def _starting(signal: Signal, now: datetime) -> Signal:
    """A signal that starts when it was issued starts now, however fast the sender's clock is."""
    early = signal.starts_at == signal.issued_at and signal.starts_at > now
    return replace(signal, starts_at=now) if early else signal


def _covers(withdrawal: Withdrawal, signal: Signal, topology: Topology) -> bool:
    limit_id = signal.limit_id or topology.root.id
    return (
        signal.key.source == withdrawal.source
        and signal.alarm == withdrawal.alarm
        and (limit_id == withdrawal.limit_id or withdrawal.limit_id is None)
        and signal.issued_at <= withdrawal.issued_at
    )


def _check_topic(topic: str, source: str) -> None:
    named = topics.parse(topic).name
    if source != named:
        raise InvalidSignal(f"source: {source!r} came on the topic of {named!r}")
    if source == OPERATOR_SOURCE:
        raise InvalidSignal("source: operators sign in to the HTTP API")
    _check_source(source, None)


def _check_source(source: str, only_source: str | None) -> None:
    if only_source is not None and source != only_source:
        raise AccessDenied(f"this token may send signals of {only_source!r} only, not {source!r}")
    if source in RESERVED_SOURCES or source.startswith(SIGNED_PREFIX):
        raise InvalidSignal(f"source: {source!r} is reserved; use a name of your own")


def _duplicate(key: SignalKey) -> DuplicateSignal:
    return DuplicateSignal(
        f"{key.source}/{key.id} was sent before with other content; give the new one its own id"
    )
