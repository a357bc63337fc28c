"""The dashboard, mounted into the application that serves the API."""

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from dashboards.web import assets
from dashboards.web.client import Api
from dashboards.web.live import Live
from dashboards.web.page import Site
from dashboards.web.pages import budgets, decision, decisions, events, facility, login, nodes
from dashboards.web.session import Handover


def mount_dashboard(app: FastAPI, *, api_url: str, storage_secret: str) -> None:
    """Add the dashboard's pages at / of an application whose API routes are there already.

    api_url: where the API answers, such as http://127.0.0.1:8080. storage_secret signs the
    browsers' session cookies: keep it over restarts and nobody has to sign in again.
    Once a process, for NiceGUI keeps its pages in one place.
    """
    api = Api(api_url)
    site = Site(api=api, live=Live(api), handover=Handover())
    assets.serve()
    for section in (login, facility, nodes, events, budgets, decisions, decision):
        section.register(site)
    nicegui_app.on_shutdown(api.close)
    ui.run_with(
        app,
        title="Ballast",
        favicon=assets.FOLDER / "ballast.svg",
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        storage_secret=storage_secret,
    )
