"""Sign in and sign out."""

from contextlib import suppress
from datetime import UTC, datetime

from nicegui import app, ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards.web import assets, formats
from dashboards.web.client import ApiError
from dashboards.web.page import Site
from dashboards.web.session import Session, as_cookie, current
from dashboards.web.theme import theme_of


def register(site: Site) -> None:
    """Add the pages to sign in and out."""

    @ui.page("/login", title="Sign in · Ballast")
    def login(request: Request) -> Response | None:
        if current(datetime.now(UTC)) is not None:
            return RedirectResponse("/")
        assets.add_to_page(theme_of(request))
        _form(site, expired="expired" in request.query_params)
        return None

    @app.get("/session/{code}", include_in_schema=False)
    def take_session(code: str, request: Request) -> Response:
        session = site.handover.take(code)
        if session is None:
            return RedirectResponse("/login")
        request.session["session"] = as_cookie(session)
        return RedirectResponse("/")

    @app.get("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        session = current(datetime.now(UTC))
        request.session.pop("session", None)
        if session is not None:
            site.live.forget(session.token)
            with suppress(ApiError):
                await site.api.with_token(session.token).sign_out()
        expired = "?expired=1" if "expired" in request.query_params else ""
        return RedirectResponse(f"/login{expired}")


def _form(site: Site, *, expired: bool) -> None:
    with ui.element("main").classes("sign-in"), ui.element("form").classes("panel") as form:
        ui.label("Ballast").classes("brand")
        if expired:
            ui.label("Your session has ended. Sign in again.").classes("dim")
        user = ui.input("User").props(
            'outlined dense autofocus autocomplete=username data-testid="user"'
        )
        password = ui.input("Password", password=True, password_toggle_button=True).props(
            'outlined dense autocomplete=current-password data-testid="password"'
        )
        refusal = ui.label("").classes("refusal").props('role="alert" data-testid="refusal"')
        ui.button("Sign in").props('type=submit unelevated no-caps data-testid="sign-in"')

    async def submit() -> None:
        refusal.set_text("")
        try:
            answer = await site.api.sign_in(user.value.strip(), password.value)
        except ApiError as error:
            refusal.set_text(str(error))
            return
        session = Session(
            token=answer["token"],
            user=user.value.strip(),
            role=answer["role"],
            expires_at=formats.moment(answer["expires_at"]),
        )
        ui.navigate.to(f"/session/{site.handover.give(session)}")

    form.on("submit.prevent", submit)
