"""The sign of life for an external dead-man switch: it acts when the beats stop.

A beat is given only while the control loop steps and leads, so that a process which lives but does
not control counts as dead. Each place that beats go to has a thread of its own: one that hangs
holds up no other.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import structlog

log = structlog.get_logger(__name__)

FRESH_S = 2.0
"""A control step older than this is no sign of life."""


class Heartbeat:
    """Beats every every_s while alive() says so; a beat that fails is said once.

    beat: raises OSError or httpx.HTTPError when it fails; it must have a bound of its own.
    """

    def __init__(
        self, name: str, beat: Callable[[], None], alive: Callable[[], bool], every_s: float
    ) -> None:
        self._name = name
        self._beat = beat
        self._alive = alive
        self._every_s = every_s
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {name}", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the beat in progress; what was touched is left to grow old."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            if self._alive():
                self._try()

    def _try(self) -> None:
        try:
            self._beat()
        except (OSError, httpx.HTTPError) as error:
            if not self._failing:
                log.warning("heartbeat does not arrive", to=self._name, reason=str(error))
            self._failing = True
            return
        if self._failing:
            log.info("heartbeat arrives again", to=self._name)
        self._failing = False


def touching(path: Path) -> Callable[[], None]:
    """A beat that sets a file's modification time to now."""
    return path.touch


def calling(url: str, timeout_s: float) -> Callable[[], None]:
    """A beat that asks for a URL; an answer that is no success is a failure."""

    def beat() -> None:
        httpx.get(url, timeout=timeout_s, trust_env=False).raise_for_status()

    return beat
