"""Reading JSON from strangers: bounded, without NaN, with errors that name the field.

The building blocks are pydantic models that refuse what is not exactly of the declared type;
whatever goes wrong becomes InvalidSignal.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import from_json

from orchestrator.domain.errors import InvalidSignal

ModelT = TypeVar("ModelT", bound=BaseModel)
JsonObject = dict[str, Any]

MAX_SECONDS = 7 * 24 * 3600.0
SHOWN_ERRORS = 3


def _from_text(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError('expected a time such as "2030-01-31T12:00:00Z"') from error


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError('the time needs a zone, such as a "Z" at its end')
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time lies outside the calendar") from error


Moment = Annotated[datetime, AfterValidator(_in_utc), BeforeValidator(_from_text)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=MAX_SECONDS)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256)]
Source = Annotated[str, StringConstraints(strict=True, pattern=r"\A[a-z0-9-]{1,63}\z")]
SignalId = Annotated[str, StringConstraints(strict=True, pattern=r"\A[a-zA-Z0-9._:-]{1,128}\z")]
LimitId = Annotated[str, StringConstraints(strict=True, pattern=r"\A[a-z0-9-]{1,63}\z")]


class Strict(BaseModel):
    """A message that must not hold keys nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerant(BaseModel):
    """A message whose contract lets later versions add keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def read_object(raw: bytes, max_bytes: int) -> JsonObject:
    """The JSON object in raw. Raises InvalidSignal when it is too long or not an object."""
    if len(raw) > max_bytes:
        raise InvalidSignal(f"the message has {len(raw)} bytes; at most {max_bytes} are accepted")
    try:
        found = from_json(raw, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidSignal(f"the message is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidSignal("the message must be a JSON object")
    return found


def read_model(model: type[ModelT], content: object, where: str = "") -> ModelT:
    """The content as a model. Raises InvalidSignal that names each wrong field below `where`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidSignal(_in_words(error, where)) from error


def _in_words(error: ValidationError, where: str) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    words = [_one(dict(item), where) for item in found[:SHOWN_ERRORS]]
    more = len(found) - SHOWN_ERRORS
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _one(item: JsonObject, where: str) -> str:
    parts = [str(part)[:64] for part in item["loc"]]
    path = ".".join([where, *parts] if where else parts)
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key, remove it"
    message = item["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message
