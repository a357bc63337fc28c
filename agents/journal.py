"""What an agent must remember beyond its own life, and that it is the only one of its node."""

import fcntl
import json
import math
import os
from pathlib import Path
from typing import IO, Any

from agents.core.effects import Record
from agents.core.shed import Slot
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.setpoint import Fence

MAX_BYTES = 64 * 1024


class Journal:
    """A small JSON file, replaced as a whole.

    {"armed": true, "highest_epoch": 7, "prior_w": {"GPU-1": 700.0},
     "shed": {"fence": [7, 3], "level": 4, "cap_w": 2900.0}}
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: IO[bytes] | None = None

    def read(self) -> tuple[Record, str | None]:
        """The record, and what was wrong with the file if it could not be used.

        A missing file is a fresh start. An unreadable one counts as armed: a node that may have
        held a lease must not stay above fail-safe.
        """
        try:
            with self._path.open("rb") as file:
                return _record(file.read(MAX_BYTES)), None
        except FileNotFoundError:
            return Record(), None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Record(armed=True), f"{self._path} is unreadable, taken as armed: {error!r}"

    def write(self, record: Record) -> None:
        """Replace the file so that a crash leaves the old or the new one. Raises OSError."""
        fresh = self._path.with_suffix(".new")
        body = {
            "armed": record.armed,
            "highest_epoch": record.highest_epoch,
            "prior_w": dict(record.prior_w),
            "locked": record.locked,
            "shed": {
                "fence": [record.shed.fence.epoch, record.shed.fence.sequence],
                "level": record.shed.level,
                "cap_w": record.shed.cap_w,
            },
        }
        with fresh.open("wb") as file:
            file.write(json.dumps(body).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _sync_folder(self._path.parent)

    def claim(self) -> None:
        """Become the node's only agent until this process ends.

        Raises ConfigurationError while another process is, or if the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._path)
        except OSError as error:
            raise ConfigurationError(f"journal {self._path} cannot be used: {error}") from error
        if self._lock is None:
            raise ConfigurationError(f"another agent runs on journal {self._path}: stop it first")

    def release(self) -> None:
        """Let another process become the node's agent."""
        if self._lock:
            self._lock.close()
            self._lock = None


def claimed(path: Path) -> bool:
    """Whether a living agent has claimed the journal at path."""
    try:
        lock = _lock(path)
    except OSError:
        return False
    if lock is None:
        return True
    lock.close()
    return False


def _record(raw: bytes) -> Record:
    body = json.loads(raw)
    armed, epoch, prior_w = body["armed"], body["highest_epoch"], body["prior_w"]
    if not isinstance(armed, bool) or not isinstance(epoch, int) or epoch < 0:
        raise ValueError("a field has the wrong type")
    prior_w = {str(uuid): float(watts) for uuid, watts in prior_w.items()}
    locked = body.get("locked", False) is True
    return Record(armed, epoch, prior_w, locked, _slot(body["shed"]) if "shed" in body else Slot())


def _slot(body: dict[str, Any]) -> Slot:
    (epoch, sequence), level = body["fence"], body["level"]
    cap_w = None if body["cap_w"] is None else float(body["cap_w"])
    whole = all(isinstance(value, int) for value in (epoch, sequence, level))
    if not whole or not (cap_w is None or 0 <= cap_w < math.inf):
        raise ValueError("a field of the shed has the wrong type")
    return Slot(Fence(epoch, sequence), level, cap_w)


def _lock(path: Path) -> IO[bytes] | None:
    """The lock file, open and locked, or None if another process holds it."""
    file = path.with_suffix(".lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
