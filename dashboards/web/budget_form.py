"""The forms of the budgets page: a budget by time of day, and thresholds of carbon and price."""

from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import available_timezones

from nicegui import ui

from dashboards.web import formats
from dashboards.web.page import Page, heading, refuse
from dashboards.web.records import Policy

Changed = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    return


class BudgetForm:
    """Sets a budget; `changed` is awaited after the API took it."""

    def __init__(self, shown: Page, limit_ids: list[str]) -> None:
        self.changed: Changed = _nothing
        self._shown = shown
        if not shown.session.may_act:
            return
        zone = str(shown.zone)
        with ui.element("section").classes("panel"), ui.element("div").classes("fields"):
            heading("Set a budget")
            self._id = _input("Name", "budget-id")
            self._limit = ui.select(limit_ids, value=limit_ids[0], label="Limit of the tree").props(
                'outlined dense options-dense data-testid="budget-limit"'
            )
            self._kw = ui.number("At most, kW").props('outlined dense data-testid="budget-kw"')
            with ui.element("div").classes("pair"):
                self._start = _input("From", "budget-start", "00:00").props('mask="##:##"')
                self._end = _input("To", "budget-end", "00:00").props('mask="##:##"')
            ui.label("Equal times mean the whole day; an end before the start is the next day.")
            with ui.element("div").classes("days").props('role="group" aria-label="Days"'):
                self._days = [
                    ui.checkbox(name, value=True).props(f'dense data-testid="day-{number}"')
                    for number, name in enumerate(formats.DAY_NAMES)
                ]
            self._zone = ui.select(
                sorted(available_timezones() | {zone}),
                value=zone,
                label="Time zone",
                with_input=True,
            ).props('outlined dense options-dense data-testid="budget-zone"')
            self._best_effort = ui.checkbox("Take it as best effort").props(
                'dense data-testid="budget-best-effort"'
            )
            ui.button("Set budget", on_click=self._set).props(
                'unelevated no-caps data-testid="budget-set"'
            )

    async def _set(self) -> None:
        name = (self._id.value or "").strip()
        if not name or self._kw.value is None:
            refuse("Give the budget a name and a number of kW.")
            return
        call = self._shown.client.set_budget(name, self._body())
        ok, _ = await self._shown.attempt(call, f"Budget {name} is set")
        if ok:
            await self.changed()

    def _body(self) -> dict[str, Any]:
        best_effort = {"best_effort": True} if self._best_effort.value else {}
        return {
            **best_effort,
            "limit_id": self._limit.value,
            "limit_w": self._kw.value * 1e3,
            "start": self._start.value,
            "end": self._end.value,
            "days": [number for number, day in enumerate(self._days) if day.value],
            "timezone": self._zone.value,
        }


class PolicyForm:
    """Above a threshold of carbon or price the facility's limit falls; empty fields are off."""

    def __init__(self, shown: Page, policy: Policy, *, changed: Changed) -> None:
        self._shown = shown
        self._changed = changed
        with ui.element("section").classes("panel"), ui.element("div").classes("fields"):
            heading("Carbon and price")
            with ui.element("div").classes("pair"):
                self._carbon = _number("Carbon above", "carbon-above", "g/kWh")
                self._carbon_kw = _number("Then at most", "carbon-kw", "kW")
            with ui.element("div").classes("pair"):
                self._price = _number("Price above", "price-above", "/MWh")
                self._price_kw = _number("Then at most", "price-kw", "kW")
            self._carbon.value = policy["carbon_above_g_per_kwh"]
            self._carbon_kw.value = formats.kilowatts(policy["carbon_limit_w"])
            self._price.value = policy["price_above_per_mwh"]
            self._price_kw.value = formats.kilowatts(policy["price_limit_w"])
            ui.label("An empty field switches the rule off.").classes("dim")
            if shown.session.may_act:
                ui.button("Save", on_click=self._save).props(
                    'unelevated no-caps data-testid="policy-save"'
                )

    async def _save(self) -> None:
        policy: Policy = {
            "carbon_above_g_per_kwh": self._carbon.value,
            "carbon_limit_w": formats.watts(self._carbon_kw.value),
            "price_above_per_mwh": self._price.value,
            "price_limit_w": formats.watts(self._price_kw.value),
        }
        ok, _ = await self._shown.attempt(self._shown.client.set_policy(policy), "Saved")
        if ok:
            await self._changed()


def _input(label: str, name: str, value: str = "") -> ui.input:
    return ui.input(label, value=value).props(f'outlined dense data-testid="{name}"')


def _number(label: str, name: str, unit: str) -> ui.number:
    return ui.number(label, suffix=unit).props(f'outlined dense stack-label data-testid="{name}"')
