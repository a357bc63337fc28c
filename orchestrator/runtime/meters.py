"""Reads every meter once a second, each in its own bounded call."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from orchestrator.domain.errors import MeterError
from orchestrator.domain.telemetry import MeterReading
from orchestrator.messages import Input, MeterRead
from orchestrator.ports import Meter

log = structlog.get_logger(__name__)


class MeterSink(Protocol):
    """Where meter samples go; never blocks."""

    def put_meter(self, reading: MeterReading) -> None: ...


class MeterPoller:
    """One thread a meter; a meter that does not answer is said once, and simply has no reading."""

    def __init__(
        self,
        meters: Mapping[str, Meter],
        submit: Callable[[Input], None],
        sink: MeterSink,
        period_s: float = 0.5,
    ) -> None:
        self._submit = submit
        self._sink = sink
        self._period_s = period_s
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(limit_id, meter), daemon=True)
            for limit_id, meter in meters.items()
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the readings in progress."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, limit_id: str, meter: Meter) -> None:
        silent = False
        while not self._stopping.wait(self._period_s):
            try:
                reading = meter.read()
            except MeterError as error:
                if not silent:
                    log.warning("meter does not answer", limit=limit_id, reason=str(error))
                silent = True
                continue
            silent = False
            self._submit(MeterRead(reading))
            self._sink.put_meter(reading)
