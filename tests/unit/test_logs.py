"""A log that cannot be written stops nobody."""

import errno
import io
from typing import TextIO, cast

import structlog

from agents.log import Unfailing as AgentsUnfailing
from orchestrator.runtime.logs import Unfailing


class FullDisk(io.StringIO):
    """A file on a disk that has room again once it is cleared."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_under_the_log_loses_lines_and_raises_nothing() -> None:
    for kind in (Unfailing, AgentsUnfailing):
        disk = FullDisk()
        logger = structlog.WriteLogger(cast("TextIO", kind(disk)))
        logger.msg("lost")
        disk.full = False
        logger.msg("kept")
        assert disk.getvalue() == "kept\n"
