"""The HTTP API put together: routers, errors, borders."""

from fastapi import APIRouter, FastAPI

from orchestrator.api import (
    alarms,
    allocations,
    breaches,
    budgets,
    decisions,
    events,
    facility,
    health,
    limits,
    models,
    nodes,
    policy,
    problems,
    session,
    signals,
    timeline,
    tokens,
)
from orchestrator.api.borders import Borders
from orchestrator.api.context import ApiContext

PREFIX = "/api/v1"
RESOURCES = (
    session,
    facility,
    nodes,
    limits,
    timeline,
    signals,
    events,
    alarms,
    breaches,
    budgets,
    policy,
    decisions,
    models,
    allocations,
    tokens,
)


def create_api(context: ApiContext) -> FastAPI:
    """The application; everything it knows comes from the context."""
    app = FastAPI(
        title="Ballast",
        summary="Power orchestration for datacenters that serve language models.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.streams = set()
    problems.install(app)
    app.add_middleware(Borders)
    api = APIRouter(prefix=PREFIX)
    for resource in RESOURCES:
        api.include_router(resource.router)
    app.include_router(api)
    app.include_router(health.router)
    return app
