"""The form that asks for less power: now or later, as a limit or as a share of the baseline."""

from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from nicegui import ui

from dashboards.web.page import Page, refuse

KINDS = {"reduction": "Reduction", "limit": "Limit", "emergency": "Emergency"}
AMOUNTS = {"reduction": "Less than the baseline, %", "limit": "At most, kW"}


class EventForm:
    """Keeps what was typed when the API refuses it."""

    def __init__(self, shown: Page, limit_ids: list[str]) -> None:
        self._shown = shown
        with ui.element("div").classes("fields"):
            self._kind = ui.toggle(KINDS, value="reduction", on_change=self._adapt).props(
                'dense spread no-caps unelevated toggle-color=primary data-testid="event-kind"'
            )
            self._amount = ui.number(AMOUNTS["reduction"], value=30, min=0).props(
                'outlined dense data-testid="event-value"'
            )
            self._limit = ui.select(limit_ids, value=limit_ids[0], label="Limit of the tree").props(
                'outlined dense options-dense data-testid="event-limit"'
            )
            self._later = ui.checkbox("Start later", on_change=self._adapt).props(
                'dense data-testid="event-later"'
            )
            with ui.element("div").classes("pair") as self._start:
                now = datetime.now(shown.zone)
                self._date = ui.input("Date", value=now.date().isoformat())
                self._date.props('outlined dense mask="####-##-##" data-testid="event-date"')
                self._time = ui.input("Time", value=now.strftime("%H:%M"))
                self._time.props('outlined dense mask="##:##" data-testid="event-time"')
            self._minutes = ui.number("Duration, minutes", value=15, min=0).props(
                'outlined dense data-testid="event-minutes"'
            )
            ui.button("Create event", on_click=self._create).props(
                'unelevated no-caps data-testid="event-create"'
            )
        self._adapt()

    def _adapt(self) -> None:
        kind = self._kind.value
        self._amount.set_visibility(kind in AMOUNTS)
        self._amount.props(f'label="{AMOUNTS.get(kind, "")}"')
        self._start.set_visibility(bool(self._later.value))

    async def _create(self) -> None:
        try:
            event = event_body(
                kind=self._kind.value,
                amount=self._amount.value,
                limit_id=self._limit.value,
                starts_at=self._starts_at(),
                minutes=self._minutes.value,
            )
        except ValueError as error:
            refuse(str(error))
            return
        await self._shown.attempt(self._shown.client.create_event(event), "The event is created")

    def _starts_at(self) -> datetime | None:
        if not self._later.value:
            return None
        return start_time(self._date.value, self._time.value, self._shown.zone)


def start_time(day: str, clock: str, zone: tzinfo) -> datetime:
    """The moment in UTC of a date and time of day in a zone. Raises ValueError."""
    try:
        local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), zone)
    except (TypeError, ValueError) as error:
        raise ValueError("Give the start as a date and a time of day.") from error
    return local.astimezone(UTC)


def event_body(
    *,
    kind: str,
    amount: float | None,
    limit_id: str,
    starts_at: datetime | None,
    minutes: float | None,
) -> dict[str, Any]:
    """What the API takes: watts for a limit, a fraction for a reduction. Raises ValueError."""
    if not minutes:
        raise ValueError("Give the duration in minutes.")
    body: dict[str, Any] = {"kind": kind, "limit_id": limit_id, "duration_s": minutes * 60}
    if kind != "emergency":
        if amount is None:
            raise ValueError(f"Give a number: {AMOUNTS[kind].lower()}.")
        body["value"] = amount / 100 if kind == "reduction" else amount
    if kind == "limit":
        body["unit"] = "kW"
    if starts_at is not None:
        body["starts_at"] = starts_at.isoformat()
    return body
