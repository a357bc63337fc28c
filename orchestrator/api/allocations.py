"""Allocation problems solved on request; nothing is stored and no node is touched."""

import threading

from fastapi import APIRouter, Response

from orchestrator.api.access import RawBody, Viewer
from orchestrator.api.encoding import json_response
from orchestrator.domain.errors import Unavailable

router = APIRouter(prefix="/allocations", tags=["allocations"])

WAIT_S = 10.0
PROBLEM = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_one_at_a_time = threading.Lock()


@router.post("", openapi_extra=PROBLEM)
def allocate(raw: RawBody, _viewer: Viewer) -> Response:
    """Solve a problem file (see docs/allocation.md); one at a time, beside the event loop."""
    from orchestrator.domain.allocation.policies.solve import solve_document

    if not _one_at_a_time.acquire(timeout=WAIT_S):
        raise Unavailable("another allocation is being solved: try again in a moment")
    try:
        return json_response(solve_document(raw))
    finally:
        _one_at_a_time.release()
