"""The row of big figures: what the facility may draw, draws, and gives for it."""

from dataclasses import dataclass

from nicegui import ui

from dashboards.web import formats
from dashboards.web.records import EventView, Snapshot


@dataclass(frozen=True)
class Figure:
    """One number with its name and a line of context."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


def figures_of(snapshot: Snapshot) -> dict[str, Figure]:
    """The figures of a moment, by the name that tests and style sheets use."""
    ceiling_w, exposure_w, metered_w = (
        snapshot["ceiling_w"],
        snapshot["exposure_w"],
        snapshot["metered_w"],
    )

    def power(value_w: float | None) -> str:
        return formats.power(value_w, scale_w=ceiling_w)

    headroom_w = None if metered_w is None else ceiling_w - metered_w
    return {
        "ceiling": Figure("Ceiling", power(ceiling_w), _top_reason(snapshot), "ceiling"),
        "metered": Figure(
            "Metered", power(metered_w), _share(metered_w, ceiling_w), _over(headroom_w, "metered")
        ),
        "exposure": Figure(
            "Exposure",
            power(exposure_w),
            _share(exposure_w, ceiling_w),
            _over(ceiling_w - exposure_w, "exposure"),
        ),
        "headroom": Figure(
            "Headroom",
            power(headroom_w),
            f"guaranteed {power(ceiling_w - exposure_w)}",
            _over(headroom_w, ""),
        ),
        "tokens": Figure("Throughput", formats.rate(snapshot["tok_s"]), _per_watt(snapshot)),
        "itl": Figure(
            "p95 inter-token latency", formats.latency(snapshot["itl_p95_ms"]), "weighted by tokens"
        ),
        **_event_figures(snapshot),
    }


def active_event(snapshot: Snapshot) -> EventView | None:
    """The event that presses hardest now: of the active ones the one with the lowest limit."""
    active = [event for event in snapshot["events"] if event["status"] == "active"]
    return min(active, key=_asked_w, default=None)


def remaining_s(event: EventView, snapshot: Snapshot) -> float | None:
    """Seconds until the event ends, None when it has no end."""
    if event["ends_at"] is None:
        return None
    left = formats.moment(event["ends_at"]) - formats.moment(snapshot["at"])
    return left.total_seconds()


def delivered_w(event: EventView, snapshot: Snapshot) -> float | None:
    """Baseline less metered power at the event's limit, None while either is unknown."""
    metered_w = next(
        (x["metered_w"] for x in snapshot["limits"] if x["id"] == event["limit_id"]), None
    )
    if event["baseline_w"] is None or metered_w is None:
        return None
    return event["baseline_w"] - metered_w


def _event_figures(snapshot: Snapshot) -> dict[str, Figure]:
    event = active_event(snapshot)
    if event is None:
        coming = [e for e in snapshot["events"] if e["status"] == "scheduled"]
        note = f"{len(coming)} scheduled" if coming else "none scheduled"
        return {
            "event": Figure("Event", "none", note),
            "delivered": Figure("Delivered", formats.UNKNOWN, "reduction"),
        }
    left_s = remaining_s(event, snapshot)
    asked = formats.power(event["limit_w"], 3, snapshot["ceiling_w"])
    got_w = delivered_w(event, snapshot)
    name = f"{event['key']['source']}/{event['key']['id']}"
    return {
        "event": Figure(
            f"{event['kind'].capitalize()} to {asked}",
            "open end" if left_s is None else formats.duration(left_s),
            name,
            "ceiling",
        ),
        "delivered": Figure(
            "Delivered",
            formats.power(got_w, scale_w=snapshot["ceiling_w"]),
            _of_asked(got_w, event),
        ),
    }


def _top_reason(snapshot: Snapshot) -> str:
    return next((x["reason"] for x in snapshot["limits"] if x["parent"] is None), "")


def _asked_w(event: EventView) -> float:
    return float("inf") if event["limit_w"] is None else event["limit_w"]


def _of_asked(got_w: float | None, event: EventView) -> str:
    baseline_w, limit_w = event["baseline_w"], event["limit_w"]
    if got_w is None or baseline_w is None or limit_w is None or baseline_w <= limit_w:
        return "no baseline" if baseline_w is None else "reduction"
    return f"{100 * got_w / (baseline_w - limit_w):.0f} % of what was asked"


def _share(part_w: float | None, whole_w: float) -> str:
    if part_w is None:
        return "no fresh meter reading"
    return f"{100 * part_w / whole_w:.1f} % of the ceiling" if whole_w > 0 else ""


def _over(room_w: float | None, tone: str) -> str:
    return "bad" if room_w is not None and room_w < 0 else tone


def _per_watt(snapshot: Snapshot) -> str:
    metered_w = snapshot["metered_w"]
    if not metered_w:
        return ""
    return f"{formats.significant(1e3 * snapshot['tok_s'] / metered_w, 3)} tok/s per kW"


class FigureStrip:
    """The figures on the page; show() changes only what differs."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[ui.label, ui.label, ui.label]] = {}
        self._strip = ui.element("section").classes("figures").props('aria-label="Facility now"')

    def show(self, snapshot: Snapshot) -> None:
        for key, figure in figures_of(snapshot).items():
            name, value, note = self._labels.get(key) or self._add(key)
            name.set_text(figure.name)
            value.set_text(figure.value)
            value.classes(replace=f"value {figure.tone}")
            note.set_text(figure.note)
            note.props(f'title="{figure.note}"')

    def _add(self, key: str) -> tuple[ui.label, ui.label, ui.label]:
        with self._strip, ui.element("div").classes("figure"):
            labels = (
                ui.label().classes("name"),
                ui.label().classes("value").props(f'data-testid="figure-{key}"'),
                ui.label().classes("note"),
            )
        self._labels[key] = labels
        return labels
