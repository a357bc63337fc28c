"""Who may sign in, with what right, and what they did."""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Engine, insert, select, update

from orchestrator.domain.errors import Conflict, InvalidInput, NotFound
from orchestrator.store.canonical import digest
from orchestrator.store.engine import reading, writing
from orchestrator.store.tables import api_tokens, audit, users

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
FEED = re.compile(r"feed:[a-z0-9-]{1,63}")

PREFIX = "ballast_"
MIN_PASSWORD = 8
MAX_PASSWORD = 1024
COST = 2**15
BLOCK, PARALLEL = 8, 1
MEMORY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """A program's token, without the secret. role: one of ROLES, or feed:<source>."""

    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


class Accounts:
    """Users with passwords, and tokens of programs; only hashes of both are stored."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put_user(self, name: str, password: str, role: Role, at: datetime) -> None:
        """Create a user, or replace their password and role."""
        _check_role(role)
        if not name or not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise InvalidInput(
                "a user needs a name, and a password of "
                f"{MIN_PASSWORD} to {MAX_PASSWORD} characters"
            )
        row = {"password_hash": hash_password(password), "role": role}
        with writing(self._engine) as connection:
            known = update(users).where(users.c.name == name).values(row)
            if not connection.execute(known).rowcount:
                connection.execute(insert(users), {"name": name, "created_at": at, **row})

    def has_users(self) -> bool:
        """Whether anybody can sign in."""
        with reading(self._engine) as connection:
            return connection.execute(select(users.c.name).limit(1)).first() is not None

    def verify_password(self, name: str, password: str) -> Role | None:
        """The user's role, None if there is no such user or the password is wrong.

        Takes as long for an unknown name as for a known one.
        """
        query = select(users.c.password_hash, users.c.role).where(users.c.name == name)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if len(password) > MAX_PASSWORD:
            return None
        right = password_matches(password, row[0] if row else _NOBODY)
        return row[1] if row and right else None

    def create_token(self, name: str, role: str, at: datetime) -> str:
        """A new token; it is shown once and never again. Raises Conflict for a name in use.

        role: one of ROLES, or feed:<source> for a program that sends one source's signals.
        """
        if FEED.fullmatch(role) is None:
            _check_role(role)
        token = PREFIX + secrets.token_urlsafe(32)
        row = {"name": name, "sha256": digest(token), "role": role, "created_at": at}
        with writing(self._engine) as connection:
            if connection.execute(select(api_tokens).where(api_tokens.c.name == name)).first():
                raise Conflict(f"a token named {name!r} exists; revoke it and choose a new name")
            connection.execute(insert(api_tokens), row)
        return token

    def token(self, secret: str) -> Token | None:
        """Whose token it is, None if it is unknown or revoked."""
        query = select(*_TOKEN).where(
            api_tokens.c.sha256 == digest(secret), api_tokens.c.revoked_at.is_(None)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return Token(**row) if row else None

    def role_of(self, secret: str) -> str | None:
        """The role of a token, None if it is unknown or revoked."""
        token = self.token(secret)
        return token.role if token else None

    def revoke(self, name: str, at: datetime) -> None:
        """Make a token worthless; the first time counts. Raises NotFound."""
        mine = api_tokens.c.name == name
        with writing(self._engine) as connection:
            if not connection.execute(select(api_tokens.c.name).where(mine)).first():
                raise NotFound(f"no token is named {name!r}")
            valid = update(api_tokens).where(mine, api_tokens.c.revoked_at.is_(None))
            connection.execute(valid.values(revoked_at=at))

    def tokens(self) -> Sequence[Token]:
        """All tokens, revoked ones included, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(*_TOKEN).order_by(api_tokens.c.name)).mappings()
            return [Token(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what to what, and when."""

    at: datetime
    who: str
    action: str
    subject: str
    detail: str


class Audit:
    """What people and programs changed; lines are only ever added."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, at: datetime, who: str, action: str, subject: str, detail: str = "") -> None:
        row = {"at": at, "who": who, "action": action, "subject": subject, "detail": detail}
        with writing(self._engine) as connection:
            connection.execute(insert(audit), row)

    def list(self, limit: int = 100) -> list[AuditLine]:
        """The latest lines, newest first."""
        columns = [audit.c[name] for name in AuditLine.__slots__]
        query = select(*columns).order_by(audit.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [AuditLine(**row) for row in connection.execute(query).mappings()]


def hash_password(password: str) -> str:
    """Hash a password by scrypt with a new salt: scrypt$cost$block$parallel$salt$hash."""
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    words = (b64encode(part).decode() for part in (salt, key))
    return "$".join(["scrypt", str(COST), str(BLOCK), str(PARALLEL), *words])


def password_matches(password: str, stored: str) -> bool:
    """Whether a password has the stored hash."""
    _, cost, block, parallel, salt, key = stored.split("$")
    found = _scrypt(password, b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, b64decode(key))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=block, p=parallel, maxmem=MEMORY_BYTES)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput(f"unknown role {role!r}; use one of {', '.join(ROLES)}")


_TOKEN = [api_tokens.c[name] for name in Token.__slots__]
_NOBODY = f"scrypt${COST}${BLOCK}${PARALLEL}${b64encode(bytes(16)).decode()}$"
