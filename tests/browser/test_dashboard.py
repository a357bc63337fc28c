"""The dashboard's pages in a real browser, over the stand-in API."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[[str], Page]


PASSWORD = "correct horse"


def sign_in(page: Page, user: str = "ada", password: str = PASSWORD) -> None:
    page.get_by_test_id("user").fill(user)
    page.get_by_test_id("password").fill(password)
    page.get_by_test_id("sign-in").click()


@pytest.fixture
def page(open_page: OpenPage, dashboard_url: str) -> Page:
    """Give a tab in which an operator is signed in."""
    opened = open_page(dashboard_url)
    sign_in(opened)
    expect(opened.get_by_test_id("figure-ceiling")).to_be_visible()
    return opened


def api(dashboard_url: str, path: str) -> object:
    with httpx.Client(base_url=f"{dashboard_url}/api/v1", trust_env=False) as client:
        body = {"user": "ada", "password": PASSWORD}
        token = client.post("session", json=body).json()["token"]
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).json()


def test_every_page_asks_for_a_sign_in_first(open_page: OpenPage, dashboard_url: str) -> None:
    page = open_page(f"{dashboard_url}/decisions/d-00001")
    expect(page.get_by_test_id("user")).to_be_visible()
    for path in ("/", "/nodes", "/events", "/budgets", "/decisions"):
        page.goto(dashboard_url + path)
        expect(page).to_have_url(re.compile("/login$"))


def test_a_wrong_password_says_so_and_keeps_the_name(
    open_page: OpenPage, dashboard_url: str
) -> None:
    page = open_page(dashboard_url)
    sign_in(page, password="wrong")
    expect(page.get_by_test_id("refusal")).to_have_text("The user or the password is wrong.")
    expect(page.get_by_test_id("user")).to_have_value("ada")


def test_signing_out_ends_the_session(page: Page, dashboard_url: str) -> None:
    expect(page.get_by_test_id("account")).to_have_text("ada · operator")
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("user")).to_be_visible()
    page.goto(dashboard_url + "/nodes")
    expect(page).to_have_url(re.compile("/login$"))


def test_figures_and_charts_move_without_a_reload(page: Page) -> None:
    expect(page.get_by_test_id("badge-simulated")).to_be_visible()
    expect(page.get_by_test_id("shadow-banner")).to_contain_text("SHADOW")
    expect(page.get_by_test_id("chart-power").locator("canvas")).to_be_visible()
    expect(page.get_by_test_id("chart-service").locator("canvas")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    metered = page.get_by_test_id("figure-metered")
    before = metered.inner_text()
    expect(metered).not_to_have_text(before)
    count = "getElement(Number(document.querySelector('.chart-power').id.slice(1)))"
    count += ".chart.getOption().series[2].data.at(-1)[0]"
    last = page.evaluate(count)
    page.wait_for_function(f"{count} > {last}")
    assert page.evaluate("window.sameDocument") is True


def test_a_rack_is_armed_after_a_confirmation(page: Page) -> None:
    page.get_by_test_id("arm-rack-b1").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("badge-mode")).to_have_text("PARTLY ARMED")
    expect(page.get_by_test_id("arm-rack-b1")).to_have_text("armed")
    page.get_by_test_id("arm-rack-b1").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("badge-mode")).to_have_text("SHADOW")


def test_nodes_are_filtered_locked_out_and_released(page: Page) -> None:
    page.get_by_test_id("nav-nodes").click()
    expect(page.get_by_test_id("node-count")).to_have_text("12 of 12")
    page.get_by_test_id("node-filter").fill("rack-a2 mixtral")
    expect(page.get_by_test_id("node-count")).to_have_text("1 of 12")
    page.get_by_test_id("lock-node-06").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_text("Give a reason for the lockout.")).to_be_visible()
    page.get_by_test_id("lock-node-06").click()
    page.get_by_test_id("lock-reason").fill("new fans")
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("nodes")).to_contain_text("new fans")
    page.get_by_test_id("release-node-06").click()
    expect(page.get_by_test_id("nodes")).not_to_contain_text("new fans")


def test_an_event_is_created_followed_and_cancelled(page: Page, dashboard_url: str) -> None:
    page.get_by_test_id("nav-events").click()
    value = page.get_by_test_id("event-value")
    value.fill("130")
    page.get_by_test_id("event-create").click()
    expect(page.get_by_text("a reduction is a fraction above 0 and at most 1")).to_be_visible()
    expect(value).to_have_value("130")
    value.fill("25")
    page.get_by_test_id("event-minutes").fill("5")
    page.get_by_test_id("event-create").click()
    cancel = page.locator("[data-testid^='cancel-operator/']")
    expect(cancel).to_have_count(1)
    page.get_by_test_id("nav-facility").click()
    expect(page.get_by_test_id("figure-event")).to_have_text(re.compile(r"^4:\d\d$"))
    expect(page.get_by_test_id("figure-delivered")).to_have_text(re.compile(r"^1\d\.\d\d kW$"))
    page.get_by_test_id("nav-events").click()
    cancel.click()
    expect(page.get_by_test_id("events")).to_contain_text("cancelled")
    expect(cancel).to_have_count(0)


def test_a_budget_reaches_the_api_and_power_follows(page: Page, dashboard_url: str) -> None:
    page.get_by_test_id("nav-budgets").click()
    expect(page.get_by_test_id("chart-day").locator("canvas")).to_be_visible()
    page.get_by_test_id("budget-id").fill("night")
    page.get_by_test_id("budget-kw").fill("-3")
    page.get_by_test_id("budget-set").click()
    expect(page.get_by_text("limit_w must be above 0, got -3000")).to_be_visible()
    expect(page.get_by_test_id("budget-id")).to_have_value("night")
    page.get_by_test_id("budget-kw").fill("51.5")
    page.get_by_test_id("day-6").click()
    page.get_by_test_id("budget-set").click()
    expect(page.get_by_test_id("budgets")).to_contain_text("Mon–Sat")
    assert {
        "id": "night",
        "limit_id": "site",
        "limit_w": 51_500.0,
        "start": "00:00",
        "end": "00:00",
        "days": [0, 1, 2, 3, 4, 5],
        "timezone": "Europe/Berlin",
    } in api(dashboard_url, "budgets")  # type: ignore[operator]
    page.get_by_test_id("nav-facility").click()
    expect(page.get_by_test_id("figure-ceiling")).to_have_text("51.50 kW")
    expect(page.get_by_test_id("figure-metered")).to_have_text(re.compile(r"^5[01]\.\d\d kW$"))
    page.get_by_test_id("nav-budgets").click()
    page.get_by_test_id("remove-night").click()
    expect(page.get_by_test_id("remove-night")).to_have_count(0)


def test_thresholds_of_carbon_and_price_are_saved(page: Page, dashboard_url: str) -> None:
    page.get_by_test_id("nav-budgets").click()
    expect(page.get_by_test_id("carbon-above")).to_have_value("350")
    page.get_by_test_id("price-above").fill("180")
    page.get_by_test_id("price-kw").fill("48")
    page.get_by_test_id("policy-save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    assert api(dashboard_url, "policy") == {
        "carbon_above_g_per_kwh": 350.0,
        "carbon_limit_w": 56_000.0,
        "price_above_per_mwh": 180.0,
        "price_limit_w": 48_000.0,
    }


def test_a_decision_says_why_and_replays(page: Page) -> None:
    page.get_by_test_id("nav-decisions").click()
    page.get_by_test_id("decision-d-00002").click()
    expect(page.get_by_test_id("cause")).to_contain_text("a new frontier")
    targets = page.get_by_test_id("targets")
    expect(targets).to_contain_text("site is full (63.6 kW)")
    expect(targets).to_contain_text("site: contract")
    expect(targets).to_contain_text("not free to move")
    expect(page.get_by_test_id("bounds")).to_contain_text("0.41 tok/s")
    page.get_by_test_id("replay").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("identical")


def test_an_unknown_decision_is_explained_in_place(page: Page, dashboard_url: str) -> None:
    page.goto(dashboard_url + "/decisions/d-99999")
    expect(page.get_by_test_id("failure")).to_have_text("no decision d-99999")


def test_a_viewer_sees_everything_and_changes_nothing(
    open_page: OpenPage, dashboard_url: str
) -> None:
    page = open_page(dashboard_url)
    sign_in(page, "vera", "looks only")
    expect(page.get_by_test_id("limits")).to_contain_text("rack-a1")
    expect(page.get_by_test_id("arm-rack-a1")).to_have_count(0)
    for section, control in (
        ("nodes", "lock-node-01"),
        ("events", "event-create"),
        ("budgets", "budget-set"),
    ):
        page.get_by_test_id(f"nav-{section}").click()
        expect(page.get_by_test_id("content").locator("table").first).to_be_visible()
        expect(page.get_by_test_id(control)).to_have_count(0)


def test_the_theme_is_kept_over_pages(page: Page) -> None:
    expect(page.locator("body.body--dark")).to_have_count(1)
    page.get_by_test_id("theme").click()
    expect(page.locator("body.body--light")).to_have_count(1)
    page.get_by_test_id("nav-nodes").click()
    expect(page.locator("body.body--light")).to_have_count(1)


def test_many_tabs_of_one_user_cost_the_api_one_request_a_second(
    page: Page, dashboard_url: str
) -> None:
    for _ in range(5):
        page.context.new_page().goto(dashboard_url)

    def asked() -> int:
        with httpx.Client(trust_env=False) as client:
            count: int = client.get(f"{dashboard_url}/fake/requests").json()["facility"]
            return count

    before = asked()
    page.wait_for_timeout(1_900)
    assert 1 <= asked() - before <= 4
