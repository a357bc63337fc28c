"""What the operator does about carbon and prices."""

from fastapi import APIRouter, Response

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.bodies import PolicyBody
from orchestrator.api.encoding import json_response
from orchestrator.domain.budget import GridPolicy

router = APIRouter(prefix="/policy", tags=["policy"])


@router.get("", response_model=GridPolicy)
def policy(context: Context, _viewer: Viewer) -> Response:
    """The policy in force; nulls where there is none."""
    return json_response(context.policies.get())


@router.put("", response_model=GridPolicy)
def put(body: PolicyBody, context: Context, operator: Operator) -> Response:
    """Replace the policy."""
    wanted = body.policy()
    context.operations.put_policy(wanted, operator.name)
    return json_response(wanted)
