"""Demand response events: what was asked, what was delivered, and a form for one's own."""

from typing import Any

from nicegui import events as ui_events
from nicegui import ui

from dashboards.web import formats
from dashboards.web.event_form import EventForm
from dashboards.web.figures import delivered_w
from dashboards.web.page import Page, Site, heading, page
from dashboards.web.records import EventView, Snapshot
from dashboards.web.tables import SHORT_CELL, action_cell, column, row_button, table


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/events", "Events")
    async def events(shown: Page) -> None:
        snapshot = await shown.snapshot()
        with ui.element("div").classes("form-grid"):
            with ui.element("section").classes("panel"):
                heading("Events")
                rows = _table(shown)
            if shown.session.may_act:
                with ui.element("section").classes("panel"):
                    heading("New event")
                    EventForm(shown, [limit["id"] for limit in snapshot["limits"]])

        async def update() -> None:
            found = await shown.client.events()
            current = await shown.snapshot()
            rows.rows = [_row(shown, event, current) for event in found]

        await update()
        shown.every_second(update)


def _table(shown: Page) -> ui.table:
    columns = [
        column("status", "Status"),
        column("kind", "Kind"),
        column("name", "Source / id"),
        column("limit_id", "Limit"),
        column("starts", "Starts"),
        column("ends", "Ends"),
        column("asked_kw", "Asked kW", decimals=2),
        column("baseline_kw", "Baseline kW", decimals=2),
        column("delivered_kw", "Delivered kW", decimals=2),
        column("comply_s", "Complied in s", decimals=1),
        column("excess", "Excess", right=True, sort=False),
        column("firm", "Firm"),
        column("actions", "", sort=False, right=True),
    ]
    shows = table(columns, "events", times=("starts", "ends"), empty="No event yet.")
    running = "props.row.may_act && ['scheduled', 'active'].includes(props.row.status)"
    shows.add_slot("body-cell-name", SHORT_CELL)
    shows.add_slot("body-cell-actions", action_cell(row_button("cancel", "Cancel", running)))

    async def cancel(event: ui_events.GenericEventArguments) -> None:
        row = event.args
        call = shown.client.cancel_event(row["source"], row["event_id"])
        await shown.attempt(call, f"{row['name']} is cancelled")

    shows.on("cancel", cancel)
    return shows


def _row(shown: Page, event: EventView, snapshot: Snapshot) -> dict[str, Any]:
    delivered = event.get("delivered_w")
    if delivered is None and event["status"] == "active":
        delivered = delivered_w(event, snapshot)
    ends_at = event["ended_at"] or event["ends_at"]
    name = f"{event['key']['source']}/{event['key']['id']}"
    return {
        "id": name,
        "name": name,
        "source": event["key"]["source"],
        "event_id": event["key"]["id"],
        "status": event["status"],
        "kind": event["kind"],
        "limit_id": event["limit_id"],
        "starts": shown.clock(event["starts_at"]),
        "starts_utc": formats.utc_time(event["starts_at"]),
        "ends": shown.clock(ends_at) if ends_at else "open",
        "ends_utc": formats.utc_time(ends_at),
        "asked_kw": formats.kilowatts(event["limit_w"]),
        "baseline_kw": formats.kilowatts(event["baseline_w"]),
        "delivered_kw": formats.kilowatts(delivered),
        "comply_s": event.get("time_to_comply_s"),
        "excess": formats.energy(event.get("excess_ws")),
        "firm": "yes" if event["guaranteed"] else "best effort",
        "may_act": shown.session.may_act,
    }
