"""Demand response events: what came of limits, reductions and emergencies."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.bodies import EventBody
from orchestrator.api.encoding import json_response
from orchestrator.api.signals import STATUS
from orchestrator.domain.events import EventRecord
from orchestrator.domain.signals import SignalKey
from orchestrator.services.event_reports import EventReport

router = APIRouter(prefix="/events", tags=["events"])


@router.get("", response_model=list[EventReport])
def events(
    context: Context, _viewer: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """The latest events, newest first, with the reduction delivered once it is known."""
    return json_response(context.event_reports.latest(limit, context.clock()))


@router.post("", status_code=HTTPStatus.CREATED, response_model=EventRecord)
def create(body: EventBody, context: Context, operator: Operator) -> Response:
    """Create an event by hand."""
    event, receipt = context.operator_events.create(body.request(), operator.name, context.clock())
    return json_response(event, STATUS[receipt.taken])


@router.delete("/{source}/{event_id}", status_code=HTTPStatus.NO_CONTENT)
def cancel(source: str, event_id: str, context: Context, operator: Operator) -> Response:
    """Cancel an event, whoever asked for it."""
    context.ingest.cancel(SignalKey(source, event_id), operator.name, context.clock())
    return Response(status_code=HTTPStatus.NO_CONTENT)
