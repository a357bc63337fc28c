"""Signing in and out."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orchestrator.api.access import Anyone, Context, Token
from orchestrator.api.bodies import SessionView, SignInBody

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", status_code=HTTPStatus.CREATED)
def sign_in(body: SignInBody, context: Context) -> SessionView:
    """Open a session. Wrong passwords have to wait longer each time."""
    session = context.doorman.sign_in(body.user, body.password)
    return SessionView(
        token=session.token, role=session.principal.role, expires_at=session.expires_at
    )


@router.delete("", status_code=HTTPStatus.NO_CONTENT)
def sign_out(context: Context, token: Token, _principal: Anyone) -> Response:
    """End the session that the token belongs to."""
    context.doorman.sign_out(token)
    return Response(status_code=HTTPStatus.NO_CONTENT)
