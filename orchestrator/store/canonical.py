"""Domain types as canonical JSON: equal values give equal bytes, now and after a restart."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from orchestrator.domain.errors import InvalidInput

T = TypeVar("T")


def encode(value: Any) -> str:
    """Canonical JSON of a dataclass: keys sorted, no spaces, UTC times, fields only.

    Numbers take the type of their field, so that 60000 and 60000.0 watts are the same text.
    Raises InvalidInput for numbers that are not finite.
    """
    return dumps(decode(type(value), dumps(value)))


def decode(kind: type[T], text: str) -> T:
    """The value that encode() was given. Raises InvalidInput, and what the type itself raises."""
    try:
        value: T = _adapter(cast("Any", kind)).validate_json(text)
    except ValidationError as error:
        raise InvalidInput(f"a stored {kind.__name__} cannot be read: {error}") from error
    return value


def dumps(value: Any) -> str:
    """Canonical JSON of anything made of dataclasses, mappings, sequences and plain values."""
    try:
        return json.dumps(
            plain(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"cannot be stored: {error}") from error


def plain(value: Any) -> Any:
    """Only what JSON knows; properties of dataclasses are left out."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return value


def digest(text: str | bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(text.encode() if isinstance(text, str) else text).hexdigest()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
