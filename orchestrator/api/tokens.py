"""Tokens of programs: made once, shown once, revoked by name."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel

from orchestrator.api.access import Admin, Context
from orchestrator.api.bodies import TokenBody
from orchestrator.api.encoding import json_response
from orchestrator.store.accounts import Token

router = APIRouter(prefix="/tokens", tags=["tokens"])


class NewToken(BaseModel):
    """A new token; it is not stored in the clear and cannot be shown again."""

    name: str
    role: str
    token: str


@router.get("", response_model=list[Token])
def tokens(context: Context, _admin: Admin) -> Response:
    """Names and roles of all tokens, revoked ones included."""
    return json_response(context.accounts.tokens())


@router.post("", status_code=HTTPStatus.CREATED)
def create(body: TokenBody, context: Context, admin: Admin) -> NewToken:
    """Make a token."""
    now = context.clock()
    token = context.accounts.create_token(body.name, body.role, now)
    context.audit.add(now, admin.name, "token.created", body.name, body.role)
    return NewToken(name=body.name, role=body.role, token=token)


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
def revoke(name: str, context: Context, admin: Admin) -> Response:
    """Make a token worthless at once."""
    context.accounts.revoke(name, context.clock())
    context.doorman.forget_tokens()
    context.audit.add(context.clock(), admin.name, "token.revoked", name, "")
    return Response(status_code=HTTPStatus.NO_CONTENT)
