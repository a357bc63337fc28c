"""The breaches that are open, worst first; nothing is shown while there are none."""

from typing import Any

from nicegui import ui

from dashboards.web import formats
from dashboards.web.page import Page, heading
from dashboards.web.records import BreachView, Snapshot
from dashboards.web.tables import WORDS_CELL, column, table

SEVERITY = ("escalated", "critical", "warning")
COLUMNS = [
    column("limit_id", "Limit", sort=False),
    column("status", "Breach", sort=False),
    column("since", "Since", sort=False),
    column("worst", "Worst", right=True, sort=False),
    column("cause", "Under", sort=False),
]


class BreachList:
    """Reads the snapshot; sends the browser only what changed."""

    def __init__(self, shown: Page) -> None:
        self._shown = shown
        with ui.element("div").classes("breaches") as self._section:
            heading("Breaches")
            self._table = table(COLUMNS, "breaches", row_key="limit_id", times=("since",))
            self._table.add_slot("body-cell-cause", WORDS_CELL)
        self._section.set_visibility(False)

    def show(self, snapshot: Snapshot) -> None:
        """Show the breaches of a moment."""
        found = sorted(snapshot.get("breaches", []), key=_place)
        rows = [breach_row(one) | self._times(one) for one in found]
        self._section.set_visibility(bool(rows))
        if rows != self._table.rows:
            self._table.rows = rows

    def _times(self, breach: BreachView) -> dict[str, str]:
        return {
            "since": self._shown.clock(breach["started_at"]),
            "since_utc": formats.utc_time(breach["started_at"]),
        }


def breach_row(breach: BreachView) -> dict[str, Any]:
    """What the table shows of a breach, times aside."""
    unknown = "" if breach["known"] else "; its meter is silent, nothing is known"
    by = "metered" if breach["measured"] else "exposure"
    return {
        "limit_id": breach["limit_id"],
        "status": breach["status"],
        "worst": f"{formats.power(breach['worst_w'])} {by}",
        "cause": breach["cause"] + unknown,
    }


def _place(breach: BreachView) -> tuple[int, str]:
    return SEVERITY.index(breach["status"]), breach["limit_id"]
