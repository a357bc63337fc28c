"""One decision and why: the limits in force, what each node got, and what a watt was worth."""

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dashboards.web import formats
from dashboards.web.page import Page, Site, heading, page
from dashboards.web.records import Decision, Outcome
from dashboards.web.tables import SHORT_CELL, WORDS_CELL, column, table


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/decisions/{decision_id}", "Decision")
    async def show_decision(shown: Page) -> None:
        decision = await shown.client.decision(shown.params["decision_id"])
        inputs, outcome = decision["inputs"], decision["outcome"]
        with ui.element("section").classes("panel full"):
            _head(shown, decision)
            _facts(inputs, outcome)
        with ui.element("div").classes("decision-grid"):
            with ui.element("section").classes("panel"):
                heading("What each node got, and why")
                rows = table(TARGET_COLUMNS, "targets", row_key="node", sort_by="node")
                rows.add_slot("body-cell-words", WORDS_CELL)
                rows.add_slot("body-cell-bound", SHORT_CELL)
                rows.rows = target_rows(inputs, outcome)
            with ui.element("section").classes("panel"):
                heading("Limits in force")
                rows = table(LIMIT_COLUMNS, "bounds")
                rows.add_slot("body-cell-words", WORDS_CELL)
                rows.rows = limit_rows(inputs, outcome)


TARGET_COLUMNS = [
    column("node", "Node"),
    column("limit_kw", "Card limits kW", decimals=2),
    column("draw_kw", "Host draw kW", decimals=2),
    column("tok_s", "Expected tok/s", decimals=0),
    column("words", "Why", sort=False),
    column("bound", "Bound by"),
]
LIMIT_COLUMNS = [
    column("id", "Limit"),
    column("ceiling_kw", "Ceiling kW", decimals=2),
    column("price", "One more watt buys", right=True, sort=False),
    column("words", "Set by", sort=False),
]


def _head(shown: Page, decision: Decision) -> None:
    with ui.element("div").classes("panel-head"):
        ui.label(f"Decision {decision['id']}").classes("panel-title mono")
        shown.time_label(decision["decided_at"])
        if decision["inputs"].get("shadow"):
            ui.label("SHADOW: nothing was sent").classes("badge mode-shadow")
        ui.element("div").classes("grow")
        verdict = ui.label("").props('role="status" data-testid="verdict"')
        button = ui.button("Replay", color=None).props(
            'outline dense no-caps padding="2px 12px" data-testid="replay"'
        )
    ui.label(f"Because {decision['cause']}").classes("cause").props('data-testid="cause"')

    async def replay() -> None:
        ok, identical = await shown.attempt(shown.client.replay(decision["id"]))
        if ok:
            words = "identical, byte for byte" if identical else "DIFFERENT from what is stored"
            verdict.set_text(f"Replayed from its inputs: {words}")
            verdict.classes(replace="good" if identical else "bad")

    button.on_click(replay)
    button.set_visibility(shown.session.may_act)


def _facts(inputs: dict[str, Any], outcome: Outcome) -> None:
    best = outcome["upper_bound"]
    gap = 100 * (1 - outcome["objective"] / best) if best > 0 else 0.0
    with ui.element("div").classes("facts wide"):
        _fact("Weighted throughput", formats.rate(outcome["objective"]))
        _fact("No split can exceed", f"{formats.rate(best)} ({gap:.2f} % more)")
        _fact("Nodes decided", str(len(outcome["targets"])))
        _fact("Nodes not free to move", str(len(inputs["fixed"])))
    if outcome["unmet"]:
        with ui.element("ul").classes("unmet").props('data-testid="unmet"'):
            for words in outcome["unmet"]:
                with ui.element("li"):
                    ui.label(words)


def _fact(name: str, value: str) -> None:
    with ui.element("div"):
        ui.label(name).classes("dim")
        ui.label(value).classes("num")


def target_rows(inputs: dict[str, Any], outcome: Outcome) -> list[dict[str, Any]]:
    """Every node's share; a node that was not free to move says so first."""
    rows = []
    for target in outcome["targets"]:
        fixed = target["node"] in inputs["fixed"]
        bound = None if fixed else binding_limit(target["node"], inputs, outcome["prices"])
        rows.append(
            {
                "node": target["node"],
                "limit_kw": target["limit_w"] / 1e3,
                "draw_kw": target["draw_w"] / 1e3,
                "tok_s": target["tok_s"],
                "words": f"not free to move: {target['reason']}" if fixed else target["reason"],
                "bound": f"{bound}: {inputs['bounds'][bound]['reason']}" if bound else "nothing",
            }
        )
    return rows


def binding_limit(node_id: str, inputs: dict[str, Any], prices: Mapping[str, float]) -> str | None:
    """The limit above a node where one more watt would buy most; None when none would."""
    parents = {limit["id"]: limit["parent"] for limit in inputs["topology"]["limits"]}
    above = next((n["limit"] for n in inputs["topology"]["nodes"] if n["id"] == node_id), None)
    path: list[str] = []
    while above is not None:
        path.append(above)
        above = parents.get(above)
    dearest = max(path, key=lambda limit_id: prices.get(limit_id, 0.0), default=None)
    return dearest if dearest and prices.get(dearest, 0.0) > 0 else None


def limit_rows(inputs: dict[str, Any], outcome: Outcome) -> list[dict[str, Any]]:
    """The limits in the order of the tree, each with the worth of one more watt there."""
    prices = outcome["prices"]
    return [
        {
            "id": limit_id,
            "ceiling_kw": bound["limit_w"] / 1e3,
            "price": f"{prices.get(limit_id, 0.0):.3g} tok/s"
            if prices.get(limit_id)
            else "nothing",
            "words": bound["reason"],
        }
        for limit_id, bound in inputs["bounds"].items()
    ]
