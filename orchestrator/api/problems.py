"""Errors as problem documents (RFC 9457). Nothing internal ever leaves."""

import re
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from orchestrator.api.encoding import encode
from orchestrator.domain import errors
from orchestrator.domain.errors import BallastError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
SHOWN_FIELDS = 5

STATUS: dict[type[BallastError], HTTPStatus] = {
    errors.BallastError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidSignal: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidTopology: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidBudget: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidProfile: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidMessage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.DuplicateSignal: HTTPStatus.CONFLICT,
    errors.UnsafeChange: HTTPStatus.CONFLICT,
    errors.AccessDenied: HTTPStatus.FORBIDDEN,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.PortInUse: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NewerDatabase: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BrokerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.GpuError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.MeterError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(BallastError)
    def _ballast(request: Request, error: BallastError) -> Response:
        return of_error(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    def _fields(request: Request, error: RequestValidationError) -> Response:
        return document(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", _in_words(error), request.url.path
        )

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        return document(status, _slug(status.phrase), str(error.detail), request.url.path)

    @app.exception_handler(Exception)
    def _unforeseen(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, exc_info=error)
        return document(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal-error",
            "Something went wrong inside; the service's log says what.",
            request.url.path,
        )


def of_error(error: BallastError, path: str) -> Response:
    """The problem document of an error of Ballast's tree."""
    kind = next(kind for kind in type(error).__mro__ if kind in STATUS)
    status = STATUS[kind]
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", path=path, exc_info=error)
    response = document(status, _slug(kind.__name__), str(error), path)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def document(status: HTTPStatus, slug: str, detail: str, path: str) -> Response:
    """One problem document."""
    body = {
        "type": f"urn:ballast:problem:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": int(status),
        "detail": detail,
        "instance": path,
    }
    return Response(encode(body), status_code=status, media_type=MEDIA_TYPE)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower())


def _in_words(error: RequestValidationError) -> str:
    found = error.errors()
    words = [_one(item["loc"], item["msg"]) for item in found[:SHOWN_FIELDS]]
    more = len(found) - SHOWN_FIELDS
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _one(where: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part)[:64] for part in where if part != "body")
    return f"{path or 'body'}: {message.removeprefix('Value error, ')}"
