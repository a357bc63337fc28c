"""The agent's log lines go to standard error; what cannot be written is lost, and stops nobody."""

import io
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


class Unfailing(io.TextIOBase):
    """A stream that loses what it cannot write: a full disk under the log ends no agent."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write and say that all was written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what can be passed on."""
        with suppress(OSError):
            self._stream.flush()


def log_to_stderr() -> None:
    """Call once, at the start of the process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Unfailing(sys.stderr))),
    )
