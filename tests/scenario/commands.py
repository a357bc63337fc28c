"""The command `ballast` as an operator starts it, and whatever it may leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BALLAST = Path(sys.executable).with_name("ballast")
AGENT = Path(sys.executable).with_name("ballast-agent")


def until(holds: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for a condition; fails in words when it does not come in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def ballast(
    *arguments: object, within_s: float = 60.0, program: Path = BALLAST, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [str(program), *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        env=os.environ | environment,
    )


def query(url: str, statement: str) -> list[dict[str, Any]]:
    """The rows that `ballast sql` prints."""
    answer = ballast("sql", statement, "--url", url, "--json")
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout))


def processes_naming(folder: Path) -> list[str]:
    """Command lines of all processes that work on files in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if str(folder) in words and process.name != str(os.getpid()):
            found.append(f"{process.name} {words}")
    return found


class DemoRun:
    """`ballast demo --json` in the background, its output in files."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.folder = folder
        self.data_dir = folder / "demo"
        self.url = f"http://127.0.0.1:{port}"
        fixed = ["--json", "--no-browser", "--data-dir", str(self.data_dir), "--port", str(port)]
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self.process = subprocess.Popen(
                [str(BALLAST), "demo", *fixed, *options], stdout=out, stderr=err
            )

    def said(self) -> str:
        """What it told people so far."""
        return self._file("err").read_text()

    def figures(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        (line,) = self._file("out").read_text().splitlines()
        return dict(json.loads(line))

    def output(self) -> str:
        return self._file("out").read_text()

    def wait_up(self) -> None:
        """Return when it has said where the dashboard is."""
        until(lambda: "Dashboard: " in self.said(), 60.0, "the demo is up")

    def wait(self, within_s: float) -> int:
        """Its exit status. Fails when it does not end in time."""
        return self.process.wait(within_s)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10.0)

    def _file(self, name: str) -> Path:
        return self.folder / f"demo.{name}"


def demo_in(folder: Path, port: int, options: Sequence[str]) -> DemoRun:
    """Start a demo that keeps everything in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return DemoRun(folder, port, *options)
