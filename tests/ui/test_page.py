"""What people do on the page: by mouse, by keyboard, on a telephone, in the dark, and without scripts."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.services import Services
from tests.ui.conftest import HOSTILE, NOW, Colours, OpenPage, enter, has_no_fault, violations
from uptill_client import Poll, UptillClient

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
        page.get_by_role("link", name="downtime, last week").click()
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text("downtime, last week")
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


def test_a_narrow_screen_hides_no_number_of_a_store(open_page: OpenPage, services: Services) -> None:
    with open_page(390) as page:
        enter(page, services)
        page.goto(WEEK)
        page.locator("details.table > summary").first.click()
        for name in ("Table of outages", "The week as a table", "Periods"):
            has_no_hidden_cell(page, name)
        for label in ("Ended", "Down", "Ended between"):
            cell = page.locator(f"td[data-label='{label}']").first
            shown = cell.evaluate("each => getComputedStyle(each, '::before').content")
            assert shown == f'"{label}"'


def test_a_narrow_screen_shows_both_values_of_what_is_compared(
    open_page: OpenPage, services: Services
) -> None:
    own = services.settings
    with UptillClient(
        own["UPTILL_API_URL"], own["UPTILL_API_KEY"], ingest_url=own["UPTILL_INGEST_URL"]
    ) as client:
        first = client.finished(client.create_report(detail=True).id)
        client.send_polls([Poll("0042", False, NOW - timedelta(minutes=5))])
        second = client.finished(client.revise_report(first.id).id)
    with open_page(390) as page:
        enter(page, services)
        page.goto(f"/reports/{second.id}/diff?against={first.id}")
        expect(page.get_by_text("After", exact=True)).to_be_in_viewport(ratio=1)
        has_no_hidden_cell(page, "Values of 0042")
        page.goto("/closures/new?store_id=0042&week=2024-10-28")
        page.get_by_label("From").fill("2024-10-30T12:00")
        page.get_by_label("To").fill("2024-10-30T14:00")
        page.get_by_role("button", name="See the effect").click()
        has_no_hidden_cell(page, "Effect")


def has_no_hidden_cell(page: Page, name: str) -> None:
    """Fail if a table must be scrolled sideways."""
    table = page.get_by_role("region", name=name, exact=True)
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0, name
    expect(table.locator("td").last).to_be_visible()


def test_the_name_of_a_day_does_not_touch_its_picture(open_page: OpenPage, services: Services) -> None:
    between = """() => [...document.querySelectorAll('.week:not(.heat) .day-name')].map(name => {
        const words = document.createRange();
        words.selectNodeContents(name);
        return name.parentElement.querySelector('svg').getBoundingClientRect().left
            - words.getBoundingClientRect().right;
    })"""
    for width in (1120, 1280, 1920):
        with open_page(width) as page:
            enter(page, services)
            page.goto(WEEK)
            assert min(page.evaluate(between)) >= 8, width


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
