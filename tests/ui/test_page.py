"""What people do on the page: by mouse, by keyboard, on a telephone, in the dark, and without scripts."""

from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.services import Services
from tests.ui.conftest import HOSTILE, Colours, OpenPage, enter, has_no_fault, violations

pytestmark = pytest.mark.ui
WEEK = "/stores/0042?week=2024-10-30"


def create_report(page: Page) -> None:
    page.get_by_role("link", name="Reports", exact=True).click()
    page.get_by_text("New report").click()
    page.get_by_label("outages, one row each").check()
    page.get_by_role("button", name="Create the report").click()


def test_a_person_finds_a_store_questions_a_number_and_downloads_a_report(
    open_page: OpenPage, services: Services
) -> None:
    with open_page() as page:
        enter(page, services)
        page.get_by_role("navigation").get_by_role("link", name="Stores").click()
        page.get_by_role("searchbox").press_sequentially("004")
        expect(page.locator("tbody tr")).to_have_count(2)
        page.get_by_role("searchbox").press_sequentially("2")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="0042").click()
        page.get_by_role("link", name="← Earlier").click()
        expect(page.get_by_role("heading", name="Week of Mon 28 Oct 2024")).to_be_visible()
        before = page.url
        page.locator("svg a[aria-label^=down]").first.click()
        expect(page.locator("#ledger .why.down")).to_contain_text("inactive poll")
        assert page.url == before, "only a part of the page was replaced"
        create_report(page)
        expect(page.get_by_role("status")).to_contain_text("succeeded", timeout=30_000)
        page.get_by_role("link", name="downtime last week").click()
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text("downtime last week")
        with page.expect_download() as download:
            page.get_by_role("link", name="report.csv").click()
        assert download.value.suggested_filename.endswith(".csv")


def test_everything_is_reached_by_the_keyboard(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        page.goto(WEEK)
        page.keyboard.type(services.settings["UPTILL_API_KEY"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Week of Mon 28 Oct 2024")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(document.activeElement.getAttribute('aria-label') || '').startsWith('down')"):
                break
        page.keyboard.press("Enter")
        expect(page.locator("#ledger .why.down")).to_be_visible()
        page.locator(".menu summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_hidden()


def test_the_page_works_without_scripts(open_page: OpenPage, services: Services) -> None:
    with open_page(java_script_enabled=False) as page:
        enter(page, services, WEEK)
        page.locator("svg a[aria-label^=down]").first.click()
        expect(page.locator("#ledger .why.down")).to_be_visible()
        create_report(page)
        expect(page.get_by_role("status")).to_contain_text("stores")
        page.get_by_text("test", exact=True).click()
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.get_by_text("test", exact=True).click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_view_has_a_fault_of_access_or_is_wider_than_the_screen(
    open_page: OpenPage, services: Services, colours: Colours
) -> None:
    with open_page(colours=colours) as page:
        page.goto("/sign-in")
        assert violations(page) == []
        enter(page, services)
        create_report(page)
        page.wait_for_selector("#rows-title", timeout=30_000)
        report = page.url
        chosen = "/stores/0042?week=2024-10-30&at=1730300000000000"
        for path in ("/stores", "/stores?q=none", WEEK, chosen, f"/stores/{quote(HOSTILE, safe='')}", "/stores/silent",
                     "/reports", report, "/insights", "/nothing"):  # fmt: skip
            has_no_fault(page, path)


def test_the_first_view_is_small(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services)
        page.goto(WEEK)
        loaded = page.evaluate(
            "performance.getEntries().filter(e => 'transferSize' in e).reduce((sum, e) => sum + e.encodedBodySize, 0)"
        )
        assert loaded < 150_000
        shifts = page.evaluate(
            "new Promise(done => new PerformanceObserver(list => done(list.getEntries().length))"
            ".observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))"
        )
        assert shifts == 0
