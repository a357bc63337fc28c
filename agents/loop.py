"""The loop of a node agent: reads, steps every period and at every message, carries out effects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final

import structlog

from agents.core.agent import AgentState, step
from agents.core.effects import (
    ClockSet,
    Connected,
    Effect,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    SetBatch,
    SetClock,
    WriteCap,
    WriteResult,
)
from agents.ports import Clock, Diary, Engine, Gpus, Guardian, Transport
from agents.workers import Call, Workers
from integrations.wire import codec, topics
from integrations.wire.shape import Shape
from orchestrator.domain.errors import InvalidMessage
from orchestrator.domain.setpoint import Ack
from orchestrator.domain.telemetry import CardReading, Description, EngineReading, Telemetry

ENGINE_STALE_S: Final = 2.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that an agent's loop touches."""

    gpus: Gpus
    engine: Engine | None
    transport: Transport
    clock: Clock
    diary: Diary
    guardian: Guardian | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """period_s: between two steps without messages. call_timeout_s: bound of a round of calls."""

    period_s: float = 0.5
    call_timeout_s: float = 0.5


class AgentLoop:
    """Runs one agent until `stop`, which may be called from a signal handler."""

    def __init__(self, state: AgentState, site: str, outside: Outside, pace: Pace) -> None:
        self._state = state
        self._site = site
        self._out = outside
        self._pace = pace
        self._workers = Workers()
        self._inbox: SimpleQueue[Message | None] = SimpleQueue()
        self._engine: tuple[EngineReading, float] | None = None
        self._unsaved: Record | None = None
        self._failing: set[str] = set()
        self._stopping = False

    @property
    def state(self) -> AgentState:
        """The state after the last step."""
        return self._state

    def stop(self) -> None:
        """End `run` after the step under way; caps stay as they are."""
        self._stopping = True
        self._inbox.put(None)

    def run(self) -> None:
        """Connect, then step until stopped. Ends with the offline state."""
        self._listen()
        next_s = self._out.clock.now_s()
        while not self._stopping:
            now_s = self._out.clock.now_s()
            if now_s >= next_s:
                next_s = max(next_s + self._pace.period_s, now_s)
            self.cycle(self._collect(next_s - now_s))
        self._leave()

    def cycle(self, inbox: Sequence[Message]) -> None:
        """One step: read, decide, carry out; the watchdog knows of a lease before a cap moves."""
        sampled_s = self._out.clock.now_s()
        cards = self._read_cards()
        engine, engine_s = self._last_engine(sampled_s)
        reading = Reading(sampled_s, cards, engine, engine_s)
        self._state, effects = step(self._state, reading, inbox, self._out.clock.now_s())
        lease = self._state.lease
        if self._out.guardian:
            self._out.guardian.feed(armed=lease.armed, ends_s=lease.ends_s)
        self._carry_out(effects)

    def _listen(self) -> None:
        transport = self._out.transport
        transport.subscribe(self._topic("setpoint"), self._taker(codec.SETPOINT), qos=1)
        transport.subscribe(self._topic("frontier"), self._taker(codec.FRONTIER), qos=1)
        transport.subscribe(self._topic("shed-table"), self._taker(codec.NODE_TABLE), qos=1)
        transport.subscribe(topics.shed(self._site), self._taker(codec.SHED), qos=1)
        transport.on_connect(lambda: self._inbox.put(Connected()))
        transport.start()

    def _leave(self) -> None:
        self._free_clocks()
        self._publish("state", codec.NODE_STATE.encode(codec.OFFLINE), qos=1, retain=True)
        self._out.transport.stop()
        if self._out.guardian:
            self._out.guardian.dismiss()

    def _free_clocks(self) -> None:
        """Leave no lock behind: caps stay, and they are what counts."""
        if not self._state.record.locked:
            return
        call = self._workers.submit("clock", lambda: self._out.gpus.set_clock_mhz(None))
        if call is not None and call.wait(self._pace.call_timeout_s) and call.error is None:
            self._unsaved = replace(self._state.record, locked=False)
            self._save()

    def _taker(self, shape: Shape[Any]) -> Callable[[str, bytes, bool], None]:
        def take(topic: str, payload: bytes, _retained: bool) -> None:
            try:
                self._inbox.put(shape.decode(payload))
            except InvalidMessage as error:
                _log.warning("a message was ignored", topic=topic, error=str(error))

        return take

    def _collect(self, timeout_s: float) -> list[Message]:
        """Everything that has arrived, after waiting for the first of it."""
        found: list[Message] = []
        try:
            message = self._inbox.get(timeout=max(0.0, timeout_s))
            while True:
                if message is not None:
                    found.append(message)
                message = self._inbox.get_nowait()
        except Empty:
            return found

    def _read_cards(self) -> tuple[CardReading, ...] | None:
        call = self._workers.submit("read", self._out.gpus.read)
        if call is None or not call.wait(self._pace.call_timeout_s):
            self._complain("gpus", "reading the GPUs does not return")
            return None
        self._complain("gpus", str(call.error) if call.error else None)
        return call.result

    def _last_engine(self, now_s: float) -> tuple[EngineReading | None, float]:
        """The newest reading of the engine; one is always on its way, none is waited for."""
        if self._out.engine is None:
            return None, 0.0
        found = self._engine
        if found is None or now_s - found[1] >= self._pace.period_s / 2:
            self._workers.submit("engine", self._out.engine.read, self._engine_read)
        if found is None or now_s - found[1] > ENGINE_STALE_S:
            return None, 0.0
        return found

    def _engine_read(self, call: Call[EngineReading]) -> None:
        self._complain("engine", str(call.error) if call.error else None)
        if call.result is not None:
            self._engine = (call.result, self._out.clock.now_s())

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        """Begin effects in order; messages go last, when the writes have returned or timed out."""
        calls: list[Call[None]] = []
        batch: SetBatch | None = None
        for effect in effects:
            match effect:
                case WriteCap():
                    calls += self._write(effect)
                case Journal():
                    self._unsaved = effect.record
                    self._save()
                case SetClock(clock_mhz):
                    self._set_clock(clock_mhz)
                case SetBatch():
                    batch = effect
                case Publish():
                    pass
        self._wait_for(calls)
        if batch:
            self._set_batch(batch.limit)
        for effect in effects:
            if isinstance(effect, Publish):
                self._try_to_send(effect.message)

    def _write(self, write: WriteCap) -> list[Call[None]]:
        """Begin a write; a raise only when the journal is safe."""
        gpus, inbox = self._out.gpus, self._inbox

        def report(call: Call[None]) -> None:
            inbox.put(
                WriteResult(write.uuid, write.limit_w, str(call.error) if call.error else None)
            )

        if write.raises and not self._save():
            inbox.put(WriteResult(write.uuid, write.limit_w, "not raised: the journal failed"))
            return []
        call = self._workers.submit(
            f"write {write.uuid}", lambda: gpus.set_limit_w(write.uuid, write.limit_w), report
        )
        return [call] if call else []

    def _wait_for(self, calls: Sequence[Call[None]]) -> None:
        ends_s = self._out.clock.now_s() + self._pace.call_timeout_s
        for call in calls:
            call.wait(ends_s - self._out.clock.now_s())

    def _save(self) -> bool:
        if self._unsaved is None:
            return True
        try:
            self._out.diary.write(self._unsaved)
        except OSError as error:
            self._complain("journal", f"the journal cannot be written: {error}")
            return False
        self._unsaved = None
        self._complain("journal", None)
        return True

    def _set_batch(self, limit: int) -> None:
        engine = self._out.engine
        if engine is not None:
            self._workers.submit("batch", lambda: engine.set_batch_limit(limit), self._batch_set)

    def _batch_set(self, call: Call[None]) -> None:
        self._complain("batch", str(call.error) if call.error else None)

    def _set_clock(self, clock_mhz: float | None) -> None:
        """Lock or free the clocks; a lock only when the journal says that there may be one."""
        gpus, inbox = self._out.gpus, self._inbox

        def report(call: Call[None]) -> None:
            self._complain("clock", str(call.error) if call.error else None)
            inbox.put(ClockSet(clock_mhz, str(call.error) if call.error else None))

        if clock_mhz is not None and not self._save():
            inbox.put(ClockSet(clock_mhz, "not locked: the journal failed"))
            return
        self._workers.submit("clock", lambda: gpus.set_clock_mhz(clock_mhz), report)

    def _try_to_send(self, message: Ack | Telemetry | Description) -> None:
        try:
            self._send(message)
        except InvalidMessage as error:
            self._complain("report", f"{type(message).__name__} {error}")

    def _send(self, message: Ack | Telemetry | Description) -> None:
        match message:
            case Ack():
                self._publish("ack", codec.ACK.encode(message), qos=1)
            case Telemetry():
                self._publish("telemetry", codec.TELEMETRY.encode(message))
            case Description():
                self._publish("desc", codec.DESCRIPTION.encode(message), qos=1, retain=True)
                state = codec.NODE_STATE.encode(codec.ONLINE)
                self._publish("state", state, qos=1, retain=True)

    def _publish(
        self, kind: topics.NodeKind, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        self._out.transport.publish(self._topic(kind), payload, qos=qos, retain=retain)

    def _topic(self, kind: topics.NodeKind) -> str:
        return topics.node(self._site, self._state.terms.node, kind)

    def _complain(self, about: str, error: str | None) -> None:
        """Log a trouble when it begins and when it is over."""
        if error is None and about in self._failing:
            self._failing.discard(about)
            _log.info(f"{about}: all right again")
        elif error is not None and about not in self._failing:
            self._failing.add(about)
            _log.warning(f"{about}: {error}")
