"""Strict JSON: every field is named, present, of its type, finite and bounded."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Generic, NoReturn, TypeVar

from integrations.wire.topics import check_id
from orchestrator.domain.errors import InvalidInput, InvalidMessage

MAX_BYTES: Final = 256 * 1024
MAX_INTEGER: Final = 2**53
MAX_NUMBER: Final = 1e15
MAX_TEXT: Final = 2000

Json = Any
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How one field is read from JSON, given its name for the error, and written to it."""

    read: Callable[[Json, str], T]
    write: Callable[[T], Json]


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """A message: the class it becomes and the kind of each of its fields, in order.

    later: fields that came after the first version. One that is None is left out, and one that is
    missing takes the default of the class, so that both versions understand each other.
    """

    make: Callable[..., T]
    fields: Mapping[str, Kind[Any]]
    later: Mapping[str, Kind[Any]] = field(default_factory=dict)

    def encode(self, message: T) -> bytes:
        """Compact JSON in UTF-8. Raises InvalidMessage for NaN, infinity or too large a message."""
        body = {name: kind.write(getattr(message, name)) for name, kind in self.fields.items()}
        for name, kind in self.later.items():
            if getattr(message, name) is not None:
                body[name] = kind.write(getattr(message, name))
        try:
            payload = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidMessage(f"cannot be sent: {error}") from error
        if len(payload) > MAX_BYTES:
            raise InvalidMessage(f"{len(payload)} bytes are more than {MAX_BYTES}")
        return payload

    def decode(self, payload: bytes) -> T:
        """The message in payload. Raises InvalidMessage with the name of the wrong field."""
        return self.build(load(payload), "message")

    def build(self, body: Json, name: str) -> T:
        """The message in already parsed JSON. Raises InvalidMessage."""
        if not isinstance(body, dict):
            refuse(name, "is not an object")
        kinds = {**self.fields, **{key: self.later[key] for key in self.later if key in body}}
        for unknown in body.keys() - kinds.keys():
            refuse(unknown, "is not a known field")
        for missing in kinds.keys() - body.keys():
            refuse(missing, "is missing")
        return self.make(**{key: kind.read(body[key], key) for key, kind in kinds.items()})


def load(payload: bytes) -> Json:
    """Parse JSON without NaN, infinity or doubled keys. Raises InvalidMessage."""
    if len(payload) > MAX_BYTES:
        raise InvalidMessage(f"{len(payload)} bytes are more than {MAX_BYTES}")
    try:
        return json.loads(payload.decode(), parse_constant=_no_constant, object_pairs_hook=_unique)
    except InvalidMessage:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"is not JSON: {error}") from error


def refuse(name: str, why: str) -> NoReturn:
    """Raise InvalidMessage about the field called name."""
    raise InvalidMessage(f"{name[:80]!r} {why}")


def number(low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> Kind[float]:
    """A finite number within [low, high]."""

    def read(value: Json, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(name, "is not a number")
        if not low <= value <= high or not math.isfinite(value):
            refuse(name, f"is not within {low:g} .. {high:g}")
        return float(value)

    return Kind(read, float)


def integer(low: int = 0, high: int = MAX_INTEGER) -> Kind[int]:
    """A whole number within [low, high]."""

    def read(value: Json, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            refuse(name, "is not a whole number")
        if not low <= value <= high:
            refuse(name, f"is not within {low} .. {high}")
        return value

    return Kind(read, _same)


def text(max_length: int = MAX_TEXT, one_of: tuple[str, ...] = ()) -> Kind[str]:
    """A string that is valid UTF-8, at most max_length characters, and one of one_of if given."""

    def read(value: Json, name: str) -> str:
        if not isinstance(value, str):
            refuse(name, "is not text")
        if len(value) > max_length:
            refuse(name, f"is longer than {max_length} characters")
        if any("\ud800" <= character <= "\udfff" for character in value):
            refuse(name, "is not valid UTF-8")
        if one_of and value not in one_of:
            refuse(name, f"is none of {', '.join(one_of)}")
        return value

    return Kind(read, lambda value: value[:max_length])


def identifier() -> Kind[str]:
    """An id of 1 to 63 of a-z, 0-9 and hyphen."""

    def read(value: Json, name: str) -> str:
        try:
            return check_id(text().read(value, name))
        except InvalidMessage:
            raise
        except InvalidInput as error:
            refuse(name, f"is no id: {error}")

    return Kind(read, _same)


def flag() -> Kind[bool]:
    """True or false."""

    def read(value: Json, name: str) -> bool:
        if not isinstance(value, bool):
            refuse(name, "is neither true nor false")
        return value

    return Kind(read, _same)


def instant() -> Kind[datetime]:
    """A point in time in ISO 8601 with offset zero."""

    def read(value: Json, name: str) -> datetime:
        try:
            found = datetime.fromisoformat(text(40).read(value, name))
        except InvalidMessage:
            raise
        except ValueError:
            refuse(name, "is not a time in ISO 8601")
        if found.utcoffset() != timedelta(0):
            refuse(name, "is not in UTC")
        return found

    return Kind(read, lambda value: value.isoformat())


def optional(kind: Kind[T]) -> Kind[T | None]:
    """The given kind, or null for unknown."""
    return Kind(
        lambda value, name: None if value is None else kind.read(value, name),
        lambda value: None if value is None else kind.write(value),
    )


def many(kind: Kind[T], max_items: int) -> Kind[tuple[T, ...]]:
    """A list of at most max_items of the given kind."""

    def read(value: Json, name: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            refuse(name, "is not a list")
        if len(value) > max_items:
            refuse(name, f"has more than {max_items} items")
        return tuple(kind.read(item, f"{name}[{index}]") for index, item in enumerate(value))

    return Kind(read, lambda value: [kind.write(item) for item in value])


def falling(kind: Kind[float], max_items: int) -> Kind[tuple[float, ...]]:
    """A list of one number at least, none higher than the one before it."""
    listed = many(kind, max_items)

    def read(value: Json, name: str) -> tuple[float, ...]:
        found = listed.read(value, name)
        if not found or any(after > before for before, after in pairwise(found)):
            refuse(name, "is not a list of falling numbers")
        return found

    return Kind(read, listed.write)


def row(make: Callable[..., T], fields: Mapping[str, Kind[Any]]) -> Kind[T]:
    """An object written as a list of its fields, in order."""

    def read(value: Json, name: str) -> T:
        if not isinstance(value, list) or len(value) != len(fields):
            refuse(name, f"is not a list of {', '.join(fields)}")
        pairs = zip(fields.items(), value, strict=True)
        return make(*(kind.read(item, f"{name}.{key}") for (key, kind), item in pairs))

    return Kind(
        read, lambda value: [kind.write(getattr(value, key)) for key, kind in fields.items()]
    )


def _same(value: T) -> T:
    return value


def _no_constant(constant: str) -> NoReturn:
    raise InvalidMessage(f"{constant} is not a number")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise InvalidMessage("a field is given twice")
    return body
