"""What handlers ask for: the context, and somebody with the right role."""

from typing import Annotated, cast

from fastapi import Depends, Request

from orchestrator.api.auth import Principal, require
from orchestrator.api.context import ApiContext
from orchestrator.domain.errors import NotAuthenticated


def _context(request: Request) -> ApiContext:
    return cast("ApiContext", request.app.state.context)


def bearer_token(request: Request) -> str:
    """The token of the request. Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("send a token: Authorization: Bearer <token>")
    return token.strip()


Context = Annotated[ApiContext, Depends(_context)]
Token = Annotated[str, Depends(bearer_token)]


def _anyone(context: Context, token: Token) -> Principal:
    return context.doorman.recognise(token)


Anyone = Annotated[Principal, Depends(_anyone)]


def _viewer(principal: Anyone) -> Principal:
    require(principal, "viewer")
    return principal


def _operator(principal: Anyone) -> Principal:
    require(principal, "operator")
    return principal


def _admin(principal: Anyone) -> Principal:
    require(principal, "admin")
    return principal


Viewer = Annotated[Principal, Depends(_viewer)]
Operator = Annotated[Principal, Depends(_operator)]
Admin = Annotated[Principal, Depends(_admin)]


async def _raw_body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_raw_body)]
