"""The agent's end of the watchdog: starts it, feeds it, says goodbye."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

import structlog

RESTART_S: Final = 10.0
GOODBYE_S: Final = 2.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Heartbeat:
    """Feeds a child process through its standard input; never blocks on it, never raises.

    A watchdog that has died is started again after RESTART_S.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "agents.watchdog", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._tried_s = float("-inf")

    def feed(self, *, armed: bool, ends_s: float | None) -> None:
        """Say that the loop lives, and until when its lease runs on the agent's clock."""
        if self._process is None:
            self._start()
        self._say(f"feed {int(armed)} {ends_s if ends_s is not None else 0.0!r}\n")

    def dismiss(self) -> None:
        """Say that the stop is planned, and wait for the watchdog to end."""
        process = self._process
        if process is None:
            return
        self._say("bye\n")
        try:
            process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(GOODBYE_S)

    def _start(self) -> None:
        if time.monotonic() - self._tried_s < RESTART_S:
            return
        self._tried_s = time.monotonic()
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        except OSError as error:
            _log.warning("the watchdog does not start", error=str(error))
            return
        if self._process.stdin:
            os.set_blocking(self._process.stdin.fileno(), False)

    def _say(self, line: str) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            os.write(process.stdin.fileno(), line.encode())
        except BlockingIOError:
            return
        except OSError:
            _log.warning("the watchdog has died", code=process.poll())
            process.stdin.close()
            self._process = None
