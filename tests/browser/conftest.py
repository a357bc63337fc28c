"""A browser, and the dashboard over the stand-in API in a process of its own."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.programs import Address, accepts_connections, free_port, running

ROOT = Path(__file__).parents[2]
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
TIMEOUT_MS = 15_000


@dataclass
class Watched:
    """What a browser said and asked for while a test ran."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """Give a headless Chromium; while it is open, this thread counts as inside an event loop."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium_path, args=list(CHROMIUM_OPTIONS)
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def dashboard_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a dashboard whose API is the stand-in."""
    address = Address("127.0.0.1", free_port())
    environment = ["env", "-u", "PYTEST_CURRENT_TEST", f"PYTHONPATH={ROOT}"]
    server = [sys.executable, "-m", "tests.browser.fake_api", "--port", str(address.port)]
    log = tmp_path_factory.mktemp("dashboard") / "server.log"
    with running([*environment, *server], lambda: accepts_connections(address), log=log):
        yield f"http://{address.host}:{address.port}"


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Give a function that opens a tab; complaints and foreign hosts fail the test."""
    watched = Watched()
    contexts = []

    def open_at(url: str) -> Page:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            timezone_id="Europe/Berlin",
            color_scheme="dark",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("console", lambda said: _note(watched, said.type, said.text))
        page.on("request", lambda request: watched.hosts.add(request.url))
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert watched.complaints == []
    strangers = {url for url in watched.hosts if not _is_local(url)}
    assert strangers == set()


def _note(watched: Watched, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        watched.complaints.append(text)


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))
