"""The nodes: what each may draw, draws and serves, and why; lock one out or release it."""

from typing import Any

from nicegui import events, ui

from dashboards.web import formats
from dashboards.web.page import Page, Site, heading, page
from dashboards.web.records import NodeView
from dashboards.web.tables import SHORT_CELL, action_cell, column, row_button, table

MANY_NODES = 200
PAGE_ROWS = 100
EVERY_STATUS = "every status"


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/nodes", "Nodes")
    async def nodes(shown: Page) -> None:
        snapshot = await shown.snapshot()
        statuses = [EVERY_STATUS, *sorted({node["status"] for node in snapshot["nodes"]})]
        with ui.element("section").classes("panel full"):
            with ui.element("div").classes("panel-head"):
                heading("Nodes")
                count = ui.label().classes("dim").props('data-testid="node-count"')
                ui.element("div").classes("grow")
                status = ui.select(statuses, value=EVERY_STATUS, label="Status").props(
                    'outlined dense options-dense data-testid="status-filter"'
                )
                words = ui.input("Filter by node, rack, deployment, why").props(
                    'outlined dense clearable data-testid="node-filter"'
                )
            shows = _table(shown)
        ticks = 0

        async def update() -> None:
            nonlocal ticks
            current = (await shown.snapshot())["nodes"]
            ticks += 1
            if ticks > 1 and len(current) > MANY_NODES and ticks % 5:
                return
            present = sorted({node["status"] for node in current})
            status.set_options([EVERY_STATUS, *present])
            kept = [n for n in current if matches(n, status.value, words.value or "")]
            count.set_text(f"{len(kept)} of {len(current)}")
            shows.props["hide-pagination"] = len(kept) <= PAGE_ROWS
            shows.rows = [_row(node, may_act=shown.session.may_act) for node in kept]

        await update()
        status.on_value_change(update)
        words.on_value_change(update)
        shown.every_second(update)


def matches(node: NodeView, status: str | None, words: str) -> bool:
    """Whether the node has the status, and every word in one of the columns that are text."""
    if status not in (None, EVERY_STATUS, node["status"]):
        return False
    text = " ".join((node["id"], node["limit"], node["deployment"], node["status"], node["reason"]))
    return all(word in text.lower() for word in words.lower().split())


def _table(shown: Page) -> ui.table:
    columns = [
        column("id", "Node"),
        column("limit", "Rack"),
        column("deployment", "Deployment"),
        column("tier", "Flex", right=True),
        column("status", "Status"),
        column("limit_kw", "Limit kW", decimals=2),
        column("charged_kw", "Charged kW", decimals=2),
        column("enforced_kw", "Enforced kW", decimals=2),
        column("power_kw", "Power kW", decimals=2),
        column("tok_s", "Tok/s", decimals=0),
        column("itl_p95_ms", "p95 ITL ms", decimals=1),
        column("waiting", "Waiting", right=True),
        column("batch_limit", "Batch", right=True),
        column("lease", "Lease"),
        column("age_s", "Age s", decimals=1),
        column("reason", "Why"),
        column("actions", "", sort=False, right=True),
    ]
    shows = table(columns, "nodes", sort_by="id", page_rows=PAGE_ROWS).classes("tall")
    lock = row_button("lock", "Lock out", "props.row.may_act && !props.row.locked")
    release = row_button("release", "Release", "props.row.may_act && props.row.locked")
    shows.add_slot("body-cell-actions", action_cell(lock, release))
    shows.add_slot("body-cell-reason", SHORT_CELL)

    async def lock_out(event: events.GenericEventArguments) -> None:
        await _ask_lock_out(shown, event.args["id"])

    async def release_node(event: events.GenericEventArguments) -> None:
        node_id = event.args["id"]
        await shown.attempt(shown.client.release(node_id), f"{node_id} is released")

    shows.on("lock", lock_out)
    shows.on("release", release_node)
    return shows


def _row(node: NodeView, *, may_act: bool) -> dict[str, Any]:
    plain = {
        name: node[name]
        for name in (
            "id", "limit", "deployment", "tier", "status", "tok_s", "itl_p95_ms", "waiting",
            "batch_limit", "lease", "age_s", "reason",
        )
    }  # fmt: skip
    return plain | {
        "limit_kw": formats.kilowatts(node["limit_w"]),
        "charged_kw": formats.kilowatts(node["charged_w"]),
        "enforced_kw": formats.kilowatts(node["enforced_w"]),
        "power_kw": formats.kilowatts(node["power_w"]),
        "locked": node["status"] == "locked",
        "may_act": may_act,
    }


async def _ask_lock_out(shown: Page, node_id: str) -> None:
    with ui.dialog(value=True) as dialog, ui.element("div").classes("panel dialog"):
        heading(f"Lock out {node_id}?")
        ui.label("Nothing will be sent to it, and it is charged at what it may hold.")
        reason = ui.input("Reason").props('outlined dense autofocus data-testid="lock-reason"')
        with ui.element("div").classes("actions"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button("Lock out", on_click=lambda: dialog.submit(reason.value)).props(
                'unelevated no-caps data-testid="confirm"'
            )
    given = await dialog
    if given is not None:
        await shown.attempt(shown.client.lock_out(node_id, given), f"{node_id} is locked out")
    dialog.delete()
