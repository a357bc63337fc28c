"""What every request passes first: a bound on its body, and headers that browsers obey.

Only the API's own paths are touched, so that pages can be mounted beside it.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.problems import of_error
from orchestrator.domain.errors import InvalidInput, TooLarge

OWN_PATHS = ("/api/", "/health/", "/metrics")
MAX_BODY = 64 * 1024
MAX_FILE = 8 * 1024 * 1024
FILE_PATHS = frozenset({"/api/v1/models", "/api/v1/allocations"})
BODY_WITHIN_S = 15.0
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Borders:
    """ASGI middleware: reads the whole body within a bound of bytes and time, adds headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, send)
            return
        outgoing = _with_headers(send)
        try:
            body = await asyncio.wait_for(_read(receive, _allowed(scope)), BODY_WITHIN_S)
        except TimeoutError:
            error = InvalidInput(f"the body did not arrive within {BODY_WITHIN_S:.0f} s")
            await of_error(error, scope["path"])(scope, receive, outgoing)
        except TooLarge as error:
            await of_error(error, scope["path"])(scope, receive, outgoing)
        else:
            await self._app(scope, _replay(body, receive), outgoing)


def _allowed(scope: Scope) -> int:
    return MAX_FILE if scope["path"] in FILE_PATHS else MAX_BODY


async def _read(receive: Receive, allowed: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > allowed:
            raise TooLarge(f"the body is longer than {allowed} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            added = [header for header in HEADERS if header[0] not in present]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending
