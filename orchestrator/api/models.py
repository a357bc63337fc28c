"""Power-performance models: listed, and fitted to new profiles."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orchestrator.api.access import Admin, Context, RawBody, Viewer
from orchestrator.api.encoding import json_response
from orchestrator.domain.errors import InvalidProfile
from orchestrator.store.models import ModelVersion

router = APIRouter(prefix="/models", tags=["models"])

CSV = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("", response_model=list[ModelVersion])
def models(context: Context, _viewer: Viewer) -> Response:
    """Every stored model, newest first."""
    return json_response(context.models.versions())


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=list[ModelVersion],
    openapi_extra=CSV,
)
def calibrate(raw: RawBody, context: Context, admin: Admin) -> Response:
    """Fit a profile (CSV, see docs/profiles.md) and let decisions use it."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidProfile(f"the profile is not UTF-8 text: {error.reason}") from error
    versions = context.calibration.load(text)
    context.audit.add(
        context.clock(), admin.name, "models.activated", ", ".join(versions), f"{len(raw)} bytes"
    )
    found = [stored for stored in context.models.versions() if stored.version in versions]
    return json_response(found, HTTPStatus.CREATED)
