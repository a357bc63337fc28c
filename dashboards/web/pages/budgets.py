"""Operators' budgets by time of day, what they make of the next day, and the grid policy."""

from typing import Any

from nicegui import events, ui

from dashboards.web import formats
from dashboards.web.budget_form import BudgetForm, PolicyForm
from dashboards.web.charts import timeline_options
from dashboards.web.page import Page, Site, heading, page
from dashboards.web.records import Budget, LimitView
from dashboards.web.tables import action_cell, column, row_button, table

HOURS_AHEAD = 24


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/budgets", "Budgets")
    async def budgets(shown: Page) -> None:
        snapshot = await shown.snapshot()
        policy = await shown.client.policy()
        with ui.element("div").classes("form-grid"):
            with ui.element("div").classes("stack"):
                with ui.element("section").classes("panel"):
                    preview = _Preview(shown, snapshot["limits"])
                with ui.element("section").classes("panel"):
                    heading("Budgets by time of day")
                    rows = _table(shown, preview)
            with ui.element("div").classes("stack"):
                form = BudgetForm(shown, [limit["id"] for limit in snapshot["limits"]])
                PolicyForm(shown, policy, changed=preview.update)

        async def update() -> None:
            found = await shown.client.budgets()
            rows.rows = [_row(budget, may_act=shown.session.may_act) for budget in found]
            await preview.update()

        form.changed = update
        await update()


class _Preview:
    """The ceiling of one limit over the next day."""

    def __init__(self, shown: Page, limits: list[LimitView]) -> None:
        self._shown = shown
        root = next((limit["id"] for limit in limits if limit["parent"] is None), "")
        with ui.element("div").classes("panel-head"):
            heading("Ceiling, next 24 hours")
            ui.element("div").classes("grow")
            self._limit = ui.select(
                [limit["id"] for limit in limits], value=root, label="Limit", on_change=self.update
            ).props('outlined dense options-dense data-testid="preview-limit"')
        options = timeline_options(shown.theme, [], root)
        self._chart = ui.echart(options).classes("chart preview").props('data-testid="chart-day"')

    async def update(self) -> None:
        ok, intervals = await self._shown.attempt(self._shown.client.timeline(HOURS_AHEAD))
        if ok and intervals is not None:
            self._chart.options.clear()
            self._chart.options.update(
                timeline_options(self._shown.theme, intervals, self._limit.value)
            )
            self._chart.update()


def _table(shown: Page, preview: _Preview) -> ui.table:
    columns = [
        column("id", "Budget"),
        column("limit_id", "Limit"),
        column("limit_kw", "Ceiling kW", decimals=2),
        column("start", "From"),
        column("end", "To"),
        column("days", "Days", sort=False),
        column("timezone", "Time zone"),
        column("note", "Note", sort=False),
        column("actions", "", sort=False, right=True),
    ]
    shows = table(columns, "budgets", sort_by="id", empty="No budget: the contract limits hold.")
    button = row_button("remove", "Delete", "props.row.may_act")
    shows.add_slot("body-cell-actions", action_cell(button))

    async def remove(event: events.GenericEventArguments) -> None:
        budget_id = event.args["id"]
        ok, _ = await shown.attempt(
            shown.client.delete_budget(budget_id), f"Budget {budget_id} is deleted"
        )
        if ok:
            shows.rows = [row for row in shows.rows if row["id"] != budget_id]
            await preview.update()

    shows.on("remove", remove)
    return shows


def _row(budget: Budget, *, may_act: bool) -> dict[str, Any]:
    return {
        "id": budget["id"],
        "limit_id": budget["limit_id"],
        "limit_kw": budget["limit_w"] / 1e3,
        "start": budget["start"][:5],
        "end": budget["end"][:5],
        "days": formats.days(budget["days"]),
        "timezone": budget["timezone"],
        "note": budget.get("note", ""),
        "may_act": may_act,
    }
