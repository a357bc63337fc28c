"""Who is signed in: kept in the browser's own signed cookie, nothing on the server's disk."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from nicegui import app

CODE_LIFETIME_S = 30.0
ACTING_ROLES = ("operator", "admin")


@dataclass(frozen=True)
class Session:
    """A signed-in user. expires_at is an aware UTC datetime."""

    token: str
    user: str
    role: str
    expires_at: datetime

    @property
    def may_act(self) -> bool:
        """Whether the role may change anything; the API decides in the end."""
        return self.role in ACTING_ROLES


def current(now: datetime) -> Session | None:
    """The session in the request's cookie, None without one that is still valid."""
    raw = app.storage.browser.get("session")
    if not raw:
        return None
    fields = cast("dict[str, Any]", raw)
    session = Session(
        token=str(fields["token"]),
        user=str(fields["user"]),
        role=str(fields["role"]),
        expires_at=datetime.fromisoformat(str(fields["expires_at"])),
    )
    return session if session.expires_at > now else None


class Handover:
    """Carries a new session from a web socket, which cannot set a cookie, to a request that can.

    A code works once and for CODE_LIFETIME_S seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[float, Session]] = {}

    def give(self, session: Session) -> str:
        code = secrets.token_urlsafe(24)
        self._waiting[code] = (self._clock() + CODE_LIFETIME_S, session)
        return code

    def take(self, code: str) -> Session | None:
        now = self._clock()
        self._waiting = {c: entry for c, entry in self._waiting.items() if entry[0] > now}
        found = self._waiting.pop(code, None)
        return found[1] if found else None


def as_cookie(session: Session) -> dict[str, str]:
    """The session in the form that `current` reads."""
    return {
        "token": session.token,
        "user": session.user,
        "role": session.role,
        "expires_at": session.expires_at.isoformat(),
    }
