"""Decisions, their inputs and reasons, and replaying them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.encoding import json_response
from orchestrator.store.decisions import DecisionSummary

router = APIRouter(prefix="/decisions", tags=["decisions"])


class ReplayView(BaseModel):
    """Whether deciding again gave the same bytes; the nodes whose targets differ."""

    identical: bool
    differing: tuple[str, ...]


@router.get("", response_model=list[DecisionSummary])
def decisions(
    context: Context, _viewer: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> Response:
    """The latest decisions, newest first, without inputs and outcome."""
    return json_response(context.decisions.recent(limit))


@router.get("/{decision_id}")
def decision(decision_id: str, context: Context, _viewer: Viewer) -> Response:
    """One decision: inputs, outcome, and the reason for every node's target."""
    return json_response(context.decisions.get(decision_id))


@router.post("/{decision_id}/replay", status_code=HTTPStatus.OK)
def replay(decision_id: str, context: Context, _operator: Operator) -> ReplayView:
    """Decide again from the stored inputs."""
    result = context.replay.replay(decision_id)
    return ReplayView(identical=result.identical, differing=result.differing)
