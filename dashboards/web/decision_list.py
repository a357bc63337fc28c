"""The latest decisions as a table: when, why, and how good."""

from typing import Any

from dashboards.web import formats
from dashboards.web.page import Page
from dashboards.web.records import DecisionSummary
from dashboards.web.tables import WORDS_CELL, column, table

TIME_LINK_CELL = """
<q-td :props="props"><a class="num" :href="'/decisions/' + encodeURIComponent(props.row.id)"
  :title="props.row.at_utc" :data-testid="'decision-' + props.row.id">{{ props.value }}</a></q-td>
"""
BRIEF = [column("at", "Decided", sort=False), column("cause", "Because", sort=False)]
FULL = [
    *BRIEF,
    column("sent", "Sent", sort=False),
    column("objective_tok_s", "Expected tok/s", decimals=0, sort=False),
    column("gap", "Below the best, %", decimals=3, sort=False),
    column("unmet", "Unmet", sort=False),
    column("id", "Decision", sort=False),
]


class DecisionList:
    """Reads the API when told to; sends the browser only what changed."""

    def __init__(self, shown: Page, columns: list[dict[str, Any]], latest: int) -> None:
        self._shown = shown
        self._latest = latest
        self._table = table(columns, "decisions", empty="No decision yet.")
        self._table.add_slot("body-cell-at", TIME_LINK_CELL)
        for name in ("cause", "unmet"):
            self._table.add_slot(f"body-cell-{name}", WORDS_CELL)

    async def update(self) -> None:
        """Show the latest decisions. Raises ApiError."""
        found = await self._shown.client.decisions(self._latest)
        rows = [decision_row(one) | self._times(one) for one in found]
        if rows != self._table.rows:
            self._table.rows = rows

    def _times(self, decision: DecisionSummary) -> dict[str, str]:
        return {
            "at": self._shown.clock(decision["decided_at"]),
            "at_utc": formats.utc_time(decision["decided_at"]),
        }


def decision_row(decision: DecisionSummary) -> dict[str, Any]:
    """What the table shows of a decision, times aside."""
    best = decision["upper_bound_tok_s"]
    objective = decision["objective_tok_s"]
    return {
        "id": decision["id"],
        "cause": decision["cause"],
        "sent": "no, shadow" if decision["shadow"] else "yes",
        "objective_tok_s": objective,
        "gap": max(0.0, 100 * (1 - objective / best)) if best > 0 else None,
        "unmet": decision["unmet"].replace("\n", "; "),
    }
