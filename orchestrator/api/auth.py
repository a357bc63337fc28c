"""Who is asking and what they may do: sessions of people, tokens of programs, and roles."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from orchestrator.domain.errors import (
    AccessDenied,
    DatabaseUnavailable,
    NotAuthenticated,
    TooManyAttempts,
)

T = TypeVar("T")

RANK = {"viewer": 1, "operator": 2, "admin": 3}
FEED_PREFIX = "feed:"
SESSION_FOR = timedelta(hours=12)
MAX_SESSIONS = 1_000
MAX_USERS_COUNTED = 1_000
FREE_ATTEMPTS = 3
LONGEST_WAIT_S = 60.0
TOKEN_FRESH = timedelta(seconds=5)
TOKEN_STALE = timedelta(hours=1)
CHECKS_AT_ONCE = 2
CHECK_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a role: viewer, operator, admin, or feed:<source>."""

    name: str
    role: str

    @property
    def only_source(self) -> str | None:
        """The one source that a feed may send signals of; None for people."""
        return self.role.removeprefix(FEED_PREFIX) if self.role.startswith(FEED_PREFIX) else None

    def may(self, role: str) -> bool:
        """Whether the role includes another one."""
        return RANK.get(self.role, 0) >= RANK[role]


class Holder(Protocol):
    """Who a token belongs to."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


class Accounts(Protocol):
    """Users and tokens as the store keeps them. Raises DatabaseUnavailable."""

    def verify_password(self, name: str, password: str) -> str | None:
        """The user's role, None when the name or the password is wrong; takes equally long."""

    def token(self, secret: str) -> Holder | None:
        """Whose token it is, None when it is unknown or revoked."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user; the token is shown once."""

    token: str
    principal: Principal
    expires_at: datetime


class Doorman:
    """Signs people in and recognises tokens. Nothing secret is kept in the clear.

    A token that was good before is believed for an hour while the database is away, so that a
    feed can still tighten.
    """

    def __init__(self, accounts: Accounts, clock: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._clock = clock
        self._lock = threading.Lock()
        self._checking = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        self._sessions: OrderedDict[str, tuple[Principal, datetime]] = OrderedDict()
        self._failures: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        self._seen: OrderedDict[str, tuple[Principal, datetime]] = OrderedDict()

    def sign_in(self, name: str, password: str) -> Session:
        """Open a session. Raises NotAuthenticated, or TooManyAttempts after wrong passwords."""
        self._check_pace(name)
        role = self._verified_role(name, password)
        if role is None:
            self._count_failure(name)
            raise NotAuthenticated("the name or the password is wrong")
        session = Session(
            secrets.token_urlsafe(32), Principal(name, role), self._clock() + SESSION_FOR
        )
        with self._lock:
            self._failures.pop(name, None)
            _put(
                self._sessions,
                _digest(session.token),
                (session.principal, session.expires_at),
                MAX_SESSIONS,
            )
        return session

    def sign_out(self, token: str) -> None:
        """End a session; nothing happens for one that is unknown."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def recognise(self, token: str) -> Principal:
        """Whose token it is. Raises NotAuthenticated."""
        now = self._clock()
        with self._lock:
            session = self._sessions.get(_digest(token))
        if session is not None:
            principal, expires_at = session
            if now < expires_at:
                return principal
            self.sign_out(token)
            raise NotAuthenticated("the session has expired; sign in again")
        return self._holder(token, now)

    def forget_tokens(self) -> None:
        """Ask the database again for every token: one was revoked."""
        with self._lock:
            self._seen.clear()

    def _holder(self, token: str, now: datetime) -> Principal:
        key = _digest(token)
        with self._lock:
            seen = self._seen.get(key)
        if seen is not None and now - seen[1] < TOKEN_FRESH:
            return seen[0]
        try:
            found = self._accounts.token(token)
        except DatabaseUnavailable:
            if seen is not None and now - seen[1] < TOKEN_STALE:
                return seen[0]
            raise
        with self._lock:
            if found is None:
                self._seen.pop(key, None)
                raise NotAuthenticated("the token is unknown or was revoked")
            principal = Principal(found.name, found.role)
            _put(self._seen, key, (principal, now), MAX_SESSIONS)
        return principal

    def _verified_role(self, name: str, password: str) -> str | None:
        if not self._checking.acquire(timeout=CHECK_WITHIN_S):
            raise TooManyAttempts("too many people sign in at once; try again in a moment")
        try:
            return self._accounts.verify_password(name, password)
        finally:
            self._checking.release()

    def _check_pace(self, name: str) -> None:
        with self._lock:
            count, last = self._failures.get(name, (0, self._clock()))
        wait_s = min(2.0 ** min(count - FREE_ATTEMPTS, 10), LONGEST_WAIT_S)
        left_s = wait_s - (self._clock() - last).total_seconds()
        if count >= FREE_ATTEMPTS and left_s > 0:
            raise TooManyAttempts(f"too many wrong passwords; try again in {left_s:.0f} s")

    def _count_failure(self, name: str) -> None:
        with self._lock:
            count = self._failures.get(name, (0, None))[0] + 1
            _put(self._failures, name, (count, self._clock()), MAX_USERS_COUNTED)


def require(principal: Principal, role: str) -> None:
    """Raise AccessDenied unless the principal's role includes `role`."""
    if not principal.may(role):
        raise AccessDenied(f"this needs the role {role}; {principal.name} has {principal.role}")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _put(kept: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
