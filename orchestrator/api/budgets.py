"""Operators' budgets by time of day."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response

from orchestrator.api.access import Context, Operator, Viewer
from orchestrator.api.bodies import BudgetBody, BudgetView, Id
from orchestrator.services.operations import SavedBudget

router = APIRouter(prefix="/budgets", tags=["budgets"])
BudgetId = Annotated[Id, Path()]


@router.get("")
def budgets(context: Context, _viewer: Viewer) -> list[BudgetView]:
    """Every budget, with whether it can be guaranteed."""
    return [_view(context.operations.saved(budget)) for budget in context.budgets.list()]


@router.put("/{budget_id}")
def put(budget_id: BudgetId, body: BudgetBody, context: Context, operator: Operator) -> BudgetView:
    """Create or replace a budget. One below what is guaranteed is met as best effort."""
    saved = context.operations.put_budget(
        body.budget(budget_id), operator.name, as_best_effort=body.best_effort
    )
    return _view(saved)


@router.delete("/{budget_id}", status_code=HTTPStatus.NO_CONTENT)
def delete(budget_id: BudgetId, context: Context, operator: Operator) -> Response:
    """Remove a budget."""
    context.operations.delete_budget(budget_id, operator.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _view(saved: SavedBudget) -> BudgetView:
    budget = saved.budget
    return BudgetView(
        id=budget.id,
        limit_id=budget.limit_id,
        limit_w=budget.limit_w,
        start=f"{budget.start:%H:%M}",
        end=f"{budget.end:%H:%M}",
        days=budget.days,
        timezone=budget.timezone,
        guaranteed=saved.guaranteed,
        note=saved.note,
    )
