"""Serves the HTTP API and the dashboard with uvicorn, on a socket that is claimed first."""

import errno
import signal
import socket
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from orchestrator.domain.errors import ConfigurationError, PortInUse

STOP_S = 3


def claim(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse when somebody else listens there."""
    try:
        return socket.create_server((host, port), backlog=256)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} on {host} is in use; choose another in the settings (http.port)"
            ) from error
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def end_on_signals(stopping: threading.Event) -> None:
    """Let SIGTERM and SIGINT ask for the end, instead of ending the process where it stands."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())


class Server(uvicorn.Server):
    """Tells its streams to end as soon as it is asked to end itself, also before it began."""

    def __init__(self, app: FastAPI, stopping: threading.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_S
            )
        )
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in a signal handler: sets flags only."""
        self._stopping.set()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; called ten times a second."""
        return self._stopping.is_set() or await super().on_tick(counter)
