"""An operator at work: the real service, broker, agents and simulated plant, in a real browser."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from orchestrator.demo.client import ServiceClient
from orchestrator.demo.site_processes import Options, SiteProcesses
from tests.programs import free_port

pytestmark = pytest.mark.timeout(300)

START_S = 60.0
STEADY_MS = 60_000
FOLLOW_S = 15.0
BUDGET_KW = 58.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteProcesses]:
    """Give the demo's processes, nothing armed, no utility."""
    folder = tmp_path_factory.mktemp("site")
    processes = SiteProcesses(Options(folder, free_port(), 1, None, None))
    try:
        processes.start_plant()
        processes.start_service()
        for node in processes.site.nodes:
            processes.start_agent(node.id)
        client = ServiceClient(f"http://127.0.0.1:{processes.options.http_port}")
        client.wait_ready(START_S)
        client.close()
        yield processes
    finally:
        processes.stop()


def kilowatts(figure: Locator) -> float:
    found = re.fullmatch(r"([\d.,]+) kW", figure.inner_text())
    return float(found[1].replace(",", "")) if found else float("inf")


def arm_every_rack(page: Page) -> None:
    expect(page.get_by_test_id("badge-mode")).to_have_text("SHADOW", timeout=STEADY_MS)
    for rack in ("rack-1", "rack-2", "rack-3"):
        page.get_by_test_id(f"arm-{rack}").click()
        page.get_by_test_id("confirm").click()
        expect(page.get_by_test_id(f"arm-{rack}")).to_have_text("armed")
    expect(page.get_by_test_id("badge-mode")).to_have_text("ARMED")
    expect(page.get_by_text("12 following")).to_be_visible(timeout=STEADY_MS)


def set_budget(page: Page) -> None:
    page.get_by_test_id("nav-budgets").click()
    page.get_by_test_id("budget-id").fill("afternoon")
    page.get_by_test_id("budget-kw").fill(f"{BUDGET_KW:g}")
    page.get_by_test_id("budget-set").click()
    expect(page.get_by_test_id("budgets")).to_contain_text("afternoon")


def test_an_operator_sets_a_budget_watches_power_follow_and_reads_why(
    site: SiteProcesses, open_page: Callable[[str], Page]
) -> None:
    page = open_page(f"http://127.0.0.1:{site.options.http_port}")
    page.get_by_test_id("user").fill("admin")
    page.get_by_test_id("password").fill(site.admin_password())
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("badge-simulated")).to_be_visible()
    arm_every_rack(page)
    metered = page.get_by_test_id("figure-metered")
    assert kilowatts(metered) > BUDGET_KW

    set_budget(page)
    page.get_by_test_id("nav-facility").click()
    expect(page.get_by_test_id("figure-ceiling")).to_have_text(f"{BUDGET_KW:.2f} kW")
    deadline = time.monotonic() + FOLLOW_S
    while kilowatts(metered) > BUDGET_KW and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    assert 0.8 * BUDGET_KW < kilowatts(metered) <= BUDGET_KW

    page.get_by_test_id("decisions").locator("a").first.click()
    expect(page.get_by_test_id("cause")).to_contain_text("Because")
    expect(page.get_by_test_id("bounds")).to_contain_text("operator's budget afternoon")
    expect(page.get_by_test_id("targets")).to_contain_text("facility is full")
    page.get_by_test_id("replay").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("identical")
