"""The serving nodes, and taking one out of Ballast's hands."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.bodies import LockoutBody
from orchestrator.api.encoding import json_response
from orchestrator.domain.errors import NotFound
from orchestrator.snapshot import NodeView

router = APIRouter(prefix="/nodes", tags=["nodes"])


@router.get("", response_model=list[NodeView])
def nodes(context: Context, _viewer: Viewer) -> Response:
    """Every node as it is now."""
    return json_response(context.control.snapshot().nodes)


@router.get("/{node_id}", response_model=NodeView)
def node(node_id: str, context: Context, _viewer: Viewer) -> Response:
    """One node as it is now."""
    for found in context.control.snapshot().nodes:
        if found.id == node_id:
            return json_response(found)
    raise NotFound(f"no node is registered as {node_id!r}")


@router.put("/{node_id}/lockout", status_code=HTTPStatus.NO_CONTENT)
def lock_out(node_id: str, body: LockoutBody, context: Context, operator: Operator) -> Response:
    """Send nothing to the node any more; its cards stay where they are."""
    context.operations.lock_out(node_id, body.reason, operator.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/{node_id}/release", status_code=HTTPStatus.ACCEPTED)
def give_back(node_id: str, body: LockoutBody, context: Context, operator: Operator) -> Response:
    """Give the node back: its cards may return to their prior limits; it is locked out then."""
    context.operations.give_back(node_id, body.reason, operator.name)
    return Response(status_code=HTTPStatus.ACCEPTED)


@router.delete("/{node_id}/lockout", status_code=HTTPStatus.NO_CONTENT)
def release(node_id: str, context: Context, operator: Operator) -> Response:
    """Let the node be steered again."""
    context.operations.release(node_id, operator.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)
