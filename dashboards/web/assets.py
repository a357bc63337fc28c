"""The dashboard's own style sheet and script, served from here: nothing comes from elsewhere."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from nicegui import app, ui

from dashboards.web.theme import Theme

FOLDER = Path(__file__).parent / "static"
ADDRESS = "/assets"


def serve() -> None:
    """Make the files reachable; once a process."""
    app.add_static_files(ADDRESS, FOLDER)


def add_to_page(theme: Theme) -> None:
    """Style the page that is being built, in the user's theme."""
    ui.dark_mode(theme.name == "dark")
    ui.colors(primary=theme.button, positive="#2f8f63", negative="#c4453f", warning="#b87a14")
    ui.add_head_html(
        f'<link rel="stylesheet" href="{ADDRESS}/ballast.css?{version("ballast.css")}">'
        f'<script src="{ADDRESS}/ballast.js?{version("ballast.js")}"></script>'
    )


def switch_theme(name: str) -> None:
    """Remember the theme in the browser and show it."""
    ui.run_javascript(f'ballast.useTheme("{name}")')


@cache
def version(file: str) -> str:
    """Changes with the content, so that no browser keeps an old file."""
    return sha256((FOLDER / file).read_bytes()).hexdigest()[:10]
