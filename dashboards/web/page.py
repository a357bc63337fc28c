"""What every page shares: the sign-in it needs, its header, and how errors are shown."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar
from urllib.parse import unquote

from nicegui import ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards.web import assets, formats
from dashboards.web.client import Api, ApiError, Client, SignedOutError
from dashboards.web.live import Live
from dashboards.web.records import Snapshot
from dashboards.web.session import Handover, Session, current
from dashboards.web.theme import Theme, theme_of

Result = TypeVar("Result")

BUILD_TIMEOUT_S = 15.0
SECTIONS = (
    ("/", "Facility"),
    ("/nodes", "Nodes"),
    ("/events", "Events"),
    ("/budgets", "Budgets"),
    ("/decisions", "Decisions"),
)


@dataclass(frozen=True)
class Site:
    """What the pages of one dashboard share."""

    api: Api
    live: Live
    handover: Handover


@dataclass(frozen=True)
class Page:
    """One open page of one signed-in user."""

    site: Site
    session: Session
    zone: tzinfo
    theme: Theme
    params: dict[str, Any]

    @property
    def client(self) -> Client:
        return self.site.api.with_token(self.session.token)

    async def snapshot(self) -> Snapshot:
        return await self.site.live.snapshot(self.session.token)

    async def attempt(self, call: Awaitable[Result], done: str = "") -> tuple[bool, Result | None]:
        """Await a call of the API; say what went wrong, or `done`, in a notification."""
        try:
            result = await call
        except SignedOutError:
            ui.navigate.to("/logout?expired=1")
            return False, None
        except ApiError as error:
            refuse(str(error))
            return False, None
        if done:
            ui.notify(done, type="positive", position="bottom-right")
        return True, result

    def every_second(self, update: Callable[[], Awaitable[None]]) -> None:
        """Keep a part of the page current while it is open; a failed reading waits for the next."""

        async def tick() -> None:
            try:
                await update()
            except SignedOutError:
                ui.navigate.to("/logout?expired=1")
            except ApiError:
                return

        ui.timer(1.0, tick, immediate=False)

    def clock(self, text: str | None) -> str:
        """A time in the browser's zone, with the date unless it is today."""
        return formats.local_time(text, self.zone, now=datetime.now(UTC))

    def time_label(self, text: str | None) -> ui.label:
        """A time in the browser's zone with UTC on hover."""
        return ui.label(self.clock(text)).classes("num").props(f'title="{formats.utc_time(text)}"')


Build = Callable[[Page], Awaitable[None]]


def page(site: Site, path: str, title: str) -> Callable[[Build], None]:
    """Register a page that asks for a sign-in first and shows the API's refusal in its place."""

    def register(build: Build) -> None:
        async def show(request: Request) -> Response | None:
            session = current(datetime.now(UTC))
            if session is None:
                return RedirectResponse("/login")
            shown = Page(site, session, zone_of(request), theme_of(request), request.path_params)
            assets.add_to_page(shown.theme)
            try:
                await _header(shown, path)
                with ui.element("main").classes("content").props('data-testid="content"'):
                    await build(shown)
            except SignedOutError:
                return RedirectResponse("/logout?expired=1")
            except ApiError as error:
                _failure(error)
            return None

        ui.page(path, title=f"{title} · Ballast", response_timeout=BUILD_TIMEOUT_S)(show)

    return register


def zone_of(request: Request) -> tzinfo:
    """The time zone that the browser named in its cookie, else UTC."""
    return formats.zone(unquote(request.cookies.get("ballast_zone", "")))


def refuse(words: str) -> None:
    """Say why something was not done, long enough to read it."""
    close = {"label": "Close", "color": "white"}
    ui.notify(words, type="negative", position="bottom-right", timeout=12_000, actions=[close])


def heading(text: str) -> ui.label:
    """The title of a panel."""
    return ui.label(text).classes("panel-title").props('role=heading aria-level="2"')


def _failure(error: ApiError) -> None:
    with ui.element("main").classes("content"), ui.element("section").classes("panel failure"):
        heading("This page cannot be shown")
        ui.label(str(error)).props('data-testid="failure"')
        ui.button("Try again", on_click=ui.navigate.reload).props("flat dense no-caps")


async def _header(shown: Page, path: str) -> None:
    with ui.element("header").classes("top"):
        ui.link("Ballast", "/").classes("brand")
        site_name = ui.label("").classes("site").props('data-testid="site"')
        with ui.element("nav").classes("sections").props('aria-label="Sections"'):
            for target, name in SECTIONS:
                link = ui.link(name, target).props(f'data-testid="nav-{name.lower()}"')
                if target == path or (target != "/" and path.startswith(target)):
                    link.classes("here").props('aria-current="page"')
        simulated = _badge("SIMULATED", "simulated")
        mode = _badge("", "mode")
        stale = _badge("NO DATA", "stale").classes("bad")
        ui.element("div").classes("grow")
        _account(shown)

    stale.set_visibility(False)

    async def update() -> None:
        try:
            snapshot = await shown.snapshot()
        except SignedOutError:
            raise
        except ApiError:
            stale.set_visibility(True)
            return
        stale.set_visibility(False)
        site_name.set_text(snapshot["site"])
        simulated.set_visibility(snapshot["simulated"])
        mode.set_text(snapshot["mode"].upper())
        mode.classes(replace=f"badge mode-{snapshot['mode'].replace(' ', '-')}")

    await update()
    shown.every_second(update)


def _badge(text: str, name: str) -> ui.label:
    return ui.label(text).classes("badge").props(f'data-testid="badge-{name}"')


def _account(shown: Page) -> None:
    ui.label(f"{shown.session.user} · {shown.session.role}").classes("dim").props(
        'data-testid="account"'
    )
    other = shown.theme.other
    ui.button(icon="contrast", color=None, on_click=lambda: assets.switch_theme(other)).props(
        f'flat dense round size=sm aria-label="Use the {other} theme" data-testid="theme"'
    )
    ui.link("Sign out", "/logout").classes("dim").props('data-testid="sign-out"')
