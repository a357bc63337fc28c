"""What every limit will allow in the hours to come."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.api.access import Context, Viewer
from orchestrator.domain.timeline import Interval
from orchestrator.services.outlook import outlook

router = APIRouter(prefix="/timeline", tags=["timeline"])


class BoundView(BaseModel):
    """Watts in force at a limit, and what set them."""

    limit_w: float
    reason: str


class IntervalView(BaseModel):
    """A stretch of time in which nothing changes; limits by id."""

    starts_at: datetime
    ends_at: datetime
    limits: dict[str, BoundView]


@router.get("")
def timeline(
    context: Context, _viewer: Viewer, hours: Annotated[float, Query(gt=0, le=168)] = 24
) -> list[IntervalView]:
    """Intervals in order, without overlap or gap."""
    now = context.clock()
    found = outlook(
        context.topology,
        signals=context.signals.standing(now),
        budgets=context.budgets.list(),
        policy=context.policies.get(),
        events=context.control.snapshot().events,
        now=now,
        hours=hours,
    )
    return [_view(interval) for interval in found]


def _view(interval: Interval) -> IntervalView:
    return IntervalView(
        starts_at=interval.starts_at,
        ends_at=interval.ends_at,
        limits={
            limit_id: BoundView(limit_w=bound.limit_w, reason=bound.reason)
            for limit_id, bound in interval.bounds.items()
        },
    )
