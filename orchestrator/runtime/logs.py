"""Log lines go to standard error, for people on a terminal and as JSON elsewhere."""

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


class Unfailing(io.TextIOBase):
    """A stream that loses what it cannot write: a full disk under the log must stop no thread."""

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


def configure_logs(least: int = logging.NOTSET) -> None:
    """Call once, at the start of a process; least: the lowest level that is shown."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(least),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer()
            if sys.stderr.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
