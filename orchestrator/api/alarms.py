"""Alarms of the plant: raised, listed, cleared."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Response

from orchestrator.api.access import Anyone, Context, Viewer
from orchestrator.api.auth import Principal, require
from orchestrator.api.bodies import AlarmBody
from orchestrator.api.encoding import json_response
from orchestrator.api.signals import STATUS
from orchestrator.domain.errors import AccessDenied
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.services.ingest import OPERATOR_SOURCE

router = APIRouter(prefix="/alarms", tags=["alarms"])


@router.get("", response_model=Sequence[Signal])
def alarms(context: Context, _viewer: Viewer) -> Response:
    """The alarms that hold; one with an end was cleared and holds for a last minute."""
    return json_response(context.alarms.standing(context.clock()))


@router.post("", status_code=HTTPStatus.CREATED, response_model=Signal)
def raise_alarm(body: AlarmBody, context: Context, sender: Anyone) -> Response:
    """Shed at once: 201 stored, 202 sheds and will be stored."""
    source = _source(sender)
    receipt = context.alarms.raise_alarm(
        body.alarm, body.limit_id, source, sender.name, context.clock()
    )
    return json_response(receipt.signal, STATUS[receipt.taken])


@router.delete("/{source}/{alarm_id}", status_code=HTTPStatus.NO_CONTENT)
def clear(source: str, alarm_id: str, context: Context, sender: Anyone) -> Response:
    """Clear an alarm: it holds for sixty seconds more."""
    _source(sender)
    if sender.only_source not in (None, source):
        raise AccessDenied(f"this token may clear alarms of {sender.only_source!r} only")
    context.ingest.cancel(SignalKey(source, alarm_id), sender.name, context.clock())
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _source(sender: Principal) -> str:
    """The source that the sender speaks for. Raises AccessDenied for viewers."""
    if sender.only_source is not None:
        return sender.only_source
    require(sender, "operator")
    return OPERATOR_SOURCE
