"""Whether the service lives, whether it is in control, and its figures for Prometheus."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from orchestrator.api.access import Context, Viewer
from orchestrator.api.encoding import json_response
from orchestrator.api.metrics import registry_of

router = APIRouter(tags=["health"])

MAX_CONTROL_AGE_S = 5.0


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(context: Context) -> Response:
    """200 while the control loop steps, else 503."""
    age_s = context.health.control_age_s()
    good = age_s <= MAX_CONTROL_AGE_S
    body = {"status": "ready" if good else "not ready", "control_age_s": round(age_s, 3)}
    return json_response(body, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics")
def metrics(context: Context, _viewer: Viewer) -> Response:
    """Figures in Prometheus' text format."""
    return Response(generate_latest(registry_of(context)), media_type=CONTENT_TYPE_LATEST)
