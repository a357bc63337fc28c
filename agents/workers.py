"""Calls with a bound: each runs on a thread of its own, and is left behind when it hangs."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from orchestrator.domain.errors import BallastError, Unavailable

T = TypeVar("T")


class Call(Generic[T]):
    """One call under way. error is set when it failed; done says that it has returned."""

    def __init__(self, run: Callable[[], T], then: "Callable[[Call[T]], None] | None") -> None:
        self._run = run
        self._then = then
        self._done = threading.Event()
        self.result: T | None = None
        self.error: BallastError | None = None

    def wait(self, timeout_s: float) -> bool:
        """Whether the call returned within the timeout."""
        return self._done.wait(max(0.0, timeout_s))

    def execute(self) -> None:
        """Run the call and what follows it, on the worker's thread."""
        try:
            self.result = self._run()
        except BallastError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001  an adapter's bug must not end its thread
            self.error = Unavailable(f"{type(error).__name__}: {error}")
        try:
            if self._then:
                self._then(self)
        finally:
            self._done.set()


class Workers:
    """One thread a name, made when first needed; a name has at most one call under way."""

    def __init__(self) -> None:
        self._queues: dict[str, SimpleQueue[Call[Any]]] = {}
        self._last: dict[str, Call[Any]] = {}

    def submit(
        self, name: str, run: Callable[[], T], then: Callable[[Call[T]], None] | None = None
    ) -> Call[T] | None:
        """Begin a call; None while the last one of this name has not returned."""
        last = self._last.get(name)
        if last is not None and not last.wait(0.0):
            return None
        call = Call(run, then)
        self._last[name] = call
        self._queue(name).put(call)
        return call

    def _queue(self, name: str) -> "SimpleQueue[Call[Any]]":
        if name not in self._queues:
            queue: SimpleQueue[Call[Any]] = SimpleQueue()
            self._queues[name] = queue
            threading.Thread(target=_serve, args=(queue,), name=name, daemon=True).start()
        return self._queues[name]


def _serve(queue: "SimpleQueue[Call[Any]]") -> None:
    while True:
        queue.get().execute()
