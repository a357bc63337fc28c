"""Serves the HTTP API and the dashboard with uvicorn, on a socket that is claimed first."""

import errno
import socket

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


def server(app: FastAPI) -> uvicorn.Server:
    """A server that ends within a bound, whatever its clients do."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_S
    )
    return uvicorn.Server(config)
