"""The limits of the tree, and arming what hangs below them."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.bodies import ArmingBody
from orchestrator.api.encoding import json_response
from orchestrator.snapshot import LimitView

router = APIRouter(prefix="/limits", tags=["limits"])


@router.get("", response_model=list[LimitView])
def limits(context: Context, _viewer: Viewer) -> Response:
    """Every limit with what is in force, drawn and armed."""
    return json_response(context.control.snapshot().limits)


@router.put("/{limit_id}/arming", status_code=HTTPStatus.NO_CONTENT)
def arm(limit_id: str, body: ArmingBody, context: Context, operator: Operator) -> Response:
    """Arm the nodes below a limit, or put them back into shadow mode."""
    context.operations.set_armed(limit_id, body.armed, operator.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)
