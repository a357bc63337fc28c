"""Grid signals: sent by feeds and operators, listed, withdrawn."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from integrations.wire.signal import Envelope
from orchestrator.api.access import Anyone, Context, Operator, RawBody, Viewer
from orchestrator.api.auth import require
from orchestrator.api.encoding import json_response
from orchestrator.domain.signals import SignalKey
from orchestrator.services.ingest import Taken
from orchestrator.store.signals import StoredSignal

router = APIRouter(prefix="/signals", tags=["signals"])

STATUS = {
    Taken.NEW: HTTPStatus.CREATED,
    Taken.REPEATED: HTTPStatus.OK,
    Taken.WAITING: HTTPStatus.ACCEPTED,
}
ENVELOPE = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Envelope.model_json_schema()}},
    }
}


@router.post("", status_code=HTTPStatus.CREATED, openapi_extra=ENVELOPE)
def send(raw: RawBody, context: Context, sender: Anyone) -> Response:
    """Take a signal: 201 stored, 200 known already, 202 tightens at once and will be stored."""
    if sender.only_source is None:
        require(sender, "operator")
    now = context.clock()
    receipt = context.ingest.receive_envelope(raw, f"http:{sender.name}", now, sender.only_source)
    body = {"signal": receipt.signal, "taken": receipt.taken}
    return json_response(body, STATUS[receipt.taken])


@router.get("", response_model=list[StoredSignal])
def signals(
    context: Context, _viewer: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """The signals received last, newest first, withdrawn and ended ones included."""
    return json_response(context.signals.list(limit))


@router.delete("/{source}/{signal_id}", status_code=HTTPStatus.NO_CONTENT)
def cancel(source: str, signal_id: str, context: Context, operator: Operator) -> Response:
    """Withdraw a signal."""
    context.ingest.cancel(SignalKey(source, signal_id), operator.name, context.clock())
    return Response(status_code=HTTPStatus.NO_CONTENT)
