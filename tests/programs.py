"""The programs that tests start themselves: found, started on free ports, stopped by process id."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")


@dataclass(frozen=True)
class Address:
    """Where a private server listens."""

    host: str
    port: int


def find_program(names: Sequence[str], folders: Sequence[str] = ()) -> Path | None:
    """Return the first of `names` on the search path or in `folders`."""
    search = os.pathsep.join([*os.environ.get("PATH", "").split(os.pathsep), *folders])
    found = (shutil.which(name, path=search) for name in names)
    return next((Path(path) for path in found if path), None)


def require_program(names: Sequence[str], folders: Sequence[str] = ()) -> Path:
    """Return the program; without it skip the test, or fail it where CI demands every service."""
    program = find_program(names, folders)
    if program is not None:
        return program
    reason = f"{names[0]} is not installed: run make test as root, or install it yourself"
    if os.environ.get("BALLAST_REQUIRE_SERVICES") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Return a TCP port that was free on 127.0.0.1 a moment ago, and that the system gives to no
    outgoing connection.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def accepts_connections(address: Address) -> bool:
    """Say whether something listens at the address."""
    try:
        with socket.create_connection((address.host, address.port), timeout=0.5):
            return True
    except OSError:
        return False


@contextmanager
def running(
    command: Sequence[str],
    ready: Callable[[], bool],
    *,
    log: Path,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; fail with its log when it does not become ready."""
    group = () if user else None
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=log.parent, user=user, extra_groups=group
        )
    try:
        _wait_until_ready(process, ready, log)
        yield process
    finally:
        _stop(process, stop_signal)


def _wait_until_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{process.args!r} did not start:\n{log.read_text()}", pytrace=False)
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
