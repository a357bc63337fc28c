"""The facility now, as a stream, and in the past."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from orchestrator.api.access import Context, Viewer
from orchestrator.api.context import ApiContext
from orchestrator.api.encoding import encode, json_response
from orchestrator.domain.errors import Unavailable
from orchestrator.services.history import HistoryPoint
from orchestrator.snapshot import Snapshot

router = APIRouter(prefix="/facility", tags=["facility"])

PERIOD_S = 1.0
STREAM_FOR = timedelta(hours=1)
MAX_STREAMS = 64
MAX_MINUTES = 7 * 24 * 60


@router.get("", response_model=Snapshot)
def facility(context: Context, _viewer: Viewer) -> Response:
    """Everything that is true now."""
    return json_response(context.control.snapshot())


@router.get("/stream")
async def stream(request: Request, context: Context, _viewer: Viewer) -> StreamingResponse:
    """The facility once a second as server-sent events, for an hour at most; then connect anew."""
    open_streams: set[Request] = request.app.state.streams
    if len(open_streams) >= MAX_STREAMS:
        raise Unavailable(f"{MAX_STREAMS} streams are open already; close one")
    return StreamingResponse(
        _events(request, context, open_streams), media_type="text/event-stream"
    )


@router.get("/history", response_model=list[HistoryPoint])
def history(
    context: Context,
    _viewer: Viewer,
    minutes: Annotated[float, Query(gt=0, le=MAX_MINUTES)] = 30,
) -> Response:
    """Seconds for half an hour or less, minutes for longer."""
    return json_response(context.history.points(minutes, context.clock()))


async def _events(
    request: Request, context: ApiContext, open_streams: set[Request]
) -> AsyncIterator[bytes]:
    open_streams.add(request)
    ends_at = context.clock() + STREAM_FOR
    try:
        while context.clock() < ends_at and not context.stopping.is_set():
            yield b"data: " + encode(context.control.snapshot()) + b"\n\n"
            await asyncio.sleep(PERIOD_S)
            if await request.is_disconnected():
                return
    finally:
        open_streams.discard(request)
