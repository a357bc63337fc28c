"""Breaches of a limit: what exceeded it after its ramp, and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from orchestrator.api.access import Context, Viewer
from orchestrator.api.encoding import json_response
from orchestrator.domain.breach import Breach

router = APIRouter(prefix="/breaches", tags=["breaches"])


@router.get("", response_model=list[Breach])
def breaches(
    context: Context, _viewer: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """The breaches that began last, newest first; open ones stand in the facility's snapshot."""
    return json_response(context.breaches.list(limit))
