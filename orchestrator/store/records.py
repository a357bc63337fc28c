"""What the control step wants kept, in one place for the recorder."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from orchestrator.domain.breach import Breach
from orchestrator.domain.decision import Decision
from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.setpoint import Setpoint
from orchestrator.store.decisions import Decisions
from orchestrator.store.events import Breaches, Events, Shortfalls
from orchestrator.store.telemetry_sink import TelemetrySink


class SqlRecords:
    """Decisions, events, shortfalls and breaches are stored at once, setpoints through the sink."""

    def __init__(self, engine: Engine, sink: TelemetrySink, clock: Callable[[], datetime]) -> None:
        self._decisions = Decisions(engine)
        self._events = Events(engine)
        self._shortfalls = Shortfalls(engine)
        self._breaches = Breaches(engine)
        self._sink = sink
        self._clock = clock

    def add_decision(self, decision: Decision, epoch: int) -> None:
        self._decisions.add(decision, epoch)

    def put_event(self, event: EventRecord) -> None:
        self._events.put(event)

    def add_shortfall(self, shortfall: Shortfall) -> None:
        self._shortfalls.add(shortfall)

    def put_breach(self, breach: Breach) -> None:
        self._breaches.put(breach)

    def add_setpoint(self, setpoint: Setpoint, kind: str) -> None:
        self._sink.put_setpoint(setpoint, kind, self._clock())
