"""Whether the service lives, whether it is in control, and its figures for Prometheus."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from orchestrator.api.access import Context, Viewer
from orchestrator.api.context import ApiContext
from orchestrator.api.encoding import json_response
from orchestrator.api.metrics import registry_of
from orchestrator.domain.errors import Unavailable

router = APIRouter(tags=["health"])

MAX_CONTROL_AGE_S = 5.0


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(context: Context) -> Response:
    """200 while the control loop steps, else 503; tighten_only says why nothing is raised."""
    age_s = context.health.control_age_s()
    good = age_s <= MAX_CONTROL_AGE_S
    body: dict[str, Any] = {
        "status": "ready" if good else "not ready",
        "control_age_s": round(age_s, 3),
    }
    if problems := _tighten_only(context):
        body["tighten_only"] = problems
    return json_response(body, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


def _tighten_only(context: ApiContext) -> tuple[str, ...]:
    try:
        return context.control.snapshot().tighten_only
    except Unavailable:
        return ()


@router.get("/metrics")
def metrics(context: Context, _viewer: Viewer) -> Response:
    """Figures in Prometheus' text format."""
    return Response(generate_latest(registry_of(context)), media_type=CONTENT_TYPE_LATEST)
