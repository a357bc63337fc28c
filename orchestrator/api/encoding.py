"""Domain values as JSON: dataclasses as objects, times in ISO 8601 with a Z, watts as they are."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic_core import to_json


def encode(value: Any) -> bytes:
    """JSON of any domain value; infinities become null."""
    return to_json(value, inf_nan_mode="null", fallback=_fallback)


def json_response(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A domain value as a response."""
    return Response(encode(value), status_code=status, media_type="application/json")


def _fallback(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
