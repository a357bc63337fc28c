"""The latest decisions."""

from nicegui import ui

from dashboards.web.decision_list import FULL, DecisionList
from dashboards.web.page import Page, Site, heading, page

LATEST = 100


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/decisions", "Decisions")
    async def decisions(shown: Page) -> None:
        with ui.element("section").classes("panel full"):
            heading(f"Decisions, the latest {LATEST}")
            latest = DecisionList(shown, FULL, LATEST)
        await latest.update()
        shown.every_second(latest.update)
