"""The thread that owns the control state: it wakes for every input and at least every tick."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from orchestrator.control.state import State
from orchestrator.control.step import step
from orchestrator.control.view import view
from orchestrator.domain.errors import Unavailable
from orchestrator.domain.moment import Moment
from orchestrator.messages import Effect, Input
from orchestrator.snapshot import Snapshot

log = structlog.get_logger(__name__)

GATHER_S = 0.01


class ControlThread:
    """Runs the control step live. Only this thread touches the state.

    carry_out: performs effects in order and must not block. observe: sees every snapshot.
    """

    def __init__(
        self,
        state: State,
        *,
        carry_out: Callable[[Sequence[Effect]], None],
        observe: Callable[[Snapshot], None],
        clock: Callable[[], Moment],
        tick_s: float = 0.25,
    ) -> None:
        self._state = state
        self._carry_out = carry_out
        self._observe = observe
        self._clock = clock
        self._tick_s = tick_s
        self._inbox: queue.SimpleQueue[Input] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._snapshot: Snapshot | None = None
        self._stepped_s = float("-inf")

    def start(self) -> None:
        """Take the first step here, so that a snapshot is there when this returns."""
        self._step(self._drain())
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the step in progress; nothing is sent on the way out."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def submit(self, item: Input) -> None:
        """Hand over one input and wake the thread; never blocks."""
        self._inbox.put(item)

    def snapshot(self) -> Snapshot:
        """The facility after the last step. Raises Unavailable before the first."""
        if self._snapshot is None:
            raise Unavailable("the control loop has not taken its first step yet")
        return self._snapshot

    def backlog(self) -> int:
        """Inputs that wait."""
        return self._inbox.qsize()

    def age_s(self) -> float:
        """Seconds since the last step that went through."""
        return self._clock().monotonic_s - self._stepped_s

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step(self._gather())
            except Exception:
                log.exception("control step failed; the next one follows", tick_s=self._tick_s)
                self._stopping.wait(self._tick_s)

    def _gather(self) -> list[Input]:
        try:
            found = [self._inbox.get(timeout=self._tick_s)]
        except queue.Empty:
            return []
        time.sleep(GATHER_S)
        return found + self._drain()

    def _drain(self) -> list[Input]:
        found: list[Input] = []
        while True:
            try:
                found.append(self._inbox.get_nowait())
            except queue.Empty:
                return found

    def _step(self, inputs: Sequence[Input]) -> None:
        now = self._clock()
        self._carry_out(step(self._state, inputs, now))
        self._snapshot = view(self._state, now)
        self._stepped_s = now.monotonic_s
        self._observe(self._snapshot)
