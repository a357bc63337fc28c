"""The facility now."""

from collections import Counter
from collections.abc import Sequence

from nicegui import ui

from dashboards.web.breach_list import BreachList
from dashboards.web.charts import WINDOW_MINUTES, PowerChart, ServiceChart
from dashboards.web.decision_list import BRIEF, DecisionList
from dashboards.web.figures import FigureStrip
from dashboards.web.limits import LimitTree, racks
from dashboards.web.page import Page, Site, heading, page
from dashboards.web.records import NodeView, Snapshot

LATEST_REASONS = 12


def register(site: Site) -> None:
    """Add the page to the dashboard."""

    @page(site, "/", "Facility")
    async def facility(shown: Page) -> None:
        snapshot = await shown.snapshot()
        history = await shown.client.history(WINDOW_MINUTES)
        banner = _ShadowBanner(shown)
        strip = FigureStrip()
        with ui.element("div").classes("facility-grid"):
            with ui.element("section").classes("panel charts"):
                heading(f"Power, the last {WINDOW_MINUTES} minutes")
                power = PowerChart(shown.theme, history, snapshot)
                heading("Service")
                service = ServiceChart(shown.theme, history)
            with ui.element("section").classes("panel side"):
                breaches = BreachList(shown)
                heading("Limits")
                tree = LimitTree(may_act=shown.session.may_act, arm=banner.ask)
                now = _Now(shown)
                heading("Why, most recent first")
                reasons = DecisionList(shown, BRIEF, LATEST_REASONS)

        def show(current: Snapshot) -> None:
            banner.show(current)
            strip.show(current)
            breaches.show(current)
            tree.show(current)
            now.show(current)

        async def update() -> None:
            current = await shown.snapshot()
            show(current)
            power.update(current)
            service.update(current)

        show(snapshot)
        await reasons.update()
        shown.every_second(update)
        shown.every_second(reasons.update)


class _ShadowBanner:
    """Says that nothing is sent while a rack is not armed, and lets operators arm racks."""

    def __init__(self, shown: Page) -> None:
        self._shown = shown
        with ui.element("section").classes("banner").props('role="status"') as self._banner:
            self._words = ui.label().props('data-testid="shadow-banner"')

    def show(self, snapshot: Snapshot) -> None:
        self._banner.set_visibility(snapshot["mode"] != "armed")
        leaves = racks(snapshot)
        waiting = [x["id"] for x in snapshot["limits"] if x["id"] in leaves and not x["armed"]]
        if snapshot["mode"] == "shadow":
            words = "SHADOW — everything is decided, stored and shown; nothing is sent to any node."
        else:
            words = f"PARTLY ARMED — nothing is sent to the nodes of {_some(waiting)}."
        if self._shown.session.may_act:
            words += " Arm racks one by one in the tree of limits."
        self._words.set_text(words)

    async def ask(self, limit_id: str, armed: bool) -> None:
        """Ask before real caps are sent, or are no longer sent."""
        verb = "Arm" if armed else "Disarm"
        effect = (
            f"Ballast will send power caps to every node of {limit_id}."
            if armed
            else f"Ballast will send nothing more to {limit_id}. When its leases end, its nodes "
            "stay at or below their fail-safe caps."
        )
        with ui.dialog(value=True) as dialog, ui.element("div").classes("panel dialog"):
            heading(f"{verb} {limit_id}?")
            ui.label(effect)
            with ui.element("div").classes("actions"):
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
                ui.button(verb, on_click=lambda: dialog.submit(True)).props(
                    'unelevated no-caps data-testid="confirm"'
                )
        if await dialog:
            done = f"{limit_id} is {'armed' if armed else 'in shadow mode'}"
            await self._shown.attempt(self._shown.client.arm(limit_id, armed), done)
        dialog.delete()


class _Now:
    """A few facts below the tree: who leads, how the nodes are, what changes next."""

    def __init__(self, shown: Page) -> None:
        self._shown = shown
        with ui.element("dl").classes("facts"):
            self._rows = {
                name: self._fact(name) for name in ("Nodes", "Decisions", "Next change", "Leader")
            }

    def show(self, snapshot: Snapshot) -> None:
        held_s = snapshot["raises_held_s"]
        held = ", tightens only" if held_s is None else ""
        held = f", raises held for {held_s:.0f} s" if held_s else held
        self._rows["Nodes"].set_text(status_words(snapshot["nodes"]))
        self._rows["Decisions"].set_text(f"{snapshot['decisions']}")
        self._rows["Next change"].set_text(self._shown.clock(snapshot["next_change_at"]))
        self._rows["Leader"].set_text(f"epoch {snapshot['epoch']}{held}")

    def _fact(self, name: str) -> ui.label:
        with ui.element("div"):
            ui.label(name).classes("dim")
            return ui.label().classes("num")


def status_words(nodes: Sequence[NodeView]) -> str:
    """How many nodes are in each status, the most common first."""
    counts = Counter(node["status"] for node in nodes)
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def _some(names: list[str]) -> str:
    if len(names) <= 4:
        return ", ".join(names) or "no rack"
    return f"{', '.join(names[:3])} and {len(names) - 3} more racks"
