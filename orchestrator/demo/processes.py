"""The demo's child processes: started in sessions of their own, ended in order, none left."""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.domain.errors import Unavailable

PR_SET_PDEATHSIG = 1


class Child:
    """One process with its log file; the kernel ends it when this process dies.

    speaks: its standard output is read by first_line instead of logged. prefix: a program that
    becomes the process, such as `ip netns exec NAME`.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        *,
        speaks: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if speaks else output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - nothing else runs in the child yet
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def first_line(self, timeout_s: float) -> str:
        """The first line of its standard output. Raises Unavailable when it does not come."""
        found: list[bytes] = []
        output = self._process.stdout
        reader = threading.Thread(
            target=lambda: found.append(output.readline() if output else b""), daemon=True
        )
        reader.start()
        reader.join(timeout_s)
        if not found or not found[0]:
            raise Unavailable(f"{self.name} did not start; see {self.log}")
        return found[0].decode().strip()

    def last_words(self) -> str:
        """The last line of its log, and where the log is."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it said nothing'} (see {self.log})"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self.running():
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended within the bound."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdout is not None:
            self._process.stdout.close()
        return True


def stop_all(children: Sequence[Child], grace_s: float = 8.0) -> None:
    """Ask all to end, wait for all within one bound, and kill what is left."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    for child in children:
        if not child.wait(max(0.0, deadline - time.monotonic())):
            child.signal(signal.SIGKILL)
            child.wait(2.0)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
