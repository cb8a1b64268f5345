"""The view of now in a browser: it updates itself without losing place, its squares are reached by keys, and it is for everyone."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import expect

from tests.fixtures.services import Services, wait_until
from tests.integration.live.live_fleet import STATES, change_polls, load_live_fleet
from tests.ui.conftest import Colours, OpenPage, enter, has_no_fault, violations

pytestmark = pytest.mark.ui
_SOON_MS = 40_000
_FOCUSED = "document.activeElement.textContent"


@pytest.fixture
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        load_live_fleet(env["UPTILL_DATABASE_URL"], conn)
        yield conn


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path, conn: psycopg.Connection) -> Iterator[Services]:
    """The API, a worker and a scheduler that refreshes often, over a fleet with a store in most states."""
    with Services({**env, "UPTILL_NOW_EVERY_S": "2"}, tmp_path) as started:
        started.api()
        started.scheduler()
        started.worker()
        stores = "select count(*) from store_now"
        wait_until(lambda: conn.execute(stores).fetchone() == (len(STATES),), "live state")
        yield started


def test_the_page_updates_itself_and_keeps_focus_and_place(
    open_page: OpenPage, services: Services, conn: psycopg.Connection
) -> None:
    with open_page() as page:
        enter(page, services)
        rows = page.locator("section[aria-labelledby=list-down] tbody tr")
        expect(rows).to_have_count(1)
        square = page.locator("#squares a", has_text="silent")
        square.focus()
        page.get_by_text("As a table").click()
        page.evaluate("scrollTo(0, 60)")
        square.focus(timeout=1000)
        before = page.evaluate("scrollY")
        change_polls(conn, "up", active=False)
        expect(rows).to_have_count(2, timeout=_SOON_MS)
        expect(page.locator(".count-tile.down b")).to_have_text("2")
        assert page.evaluate(_FOCUSED).startswith("silent")
        assert page.locator("details.table").get_attribute("open") is not None
        assert abs(page.evaluate("scrollY") - before) <= 60, "no jump to the top or the end"
        page.get_by_role("searchbox").fill("uns")
        expect(page.locator("#squares a")).to_have_count(1)
        expect(page.locator("section[aria-labelledby=list-unknown] tbody tr")).to_have_count(1)


def test_squares_are_walked_with_the_arrow_keys(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services)
        expect(page.locator("#squares .sqs a[tabindex='0']")).to_have_count(1)
        page.locator("#squares .sqs a").first.focus()
        first = page.evaluate(_FOCUSED)
        expect(page.locator("#readout")).to_contain_text("is ")
        page.keyboard.press("ArrowRight")
        second = page.evaluate(_FOCUSED)
        assert second != first
        assert page.locator("#squares .sqs a[tabindex='0']").count() == 1
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(_FOCUSED) == first
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.wait_for_url("**/stores/**")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_view_has_no_fault_of_access(
    open_page: OpenPage, services: Services, conn: psycopg.Connection, colours: Colours
) -> None:
    with open_page(colours=colours) as page:
        enter(page, services)
        for path in ("/", "/?state=up", "/?q=nothing", "/?by=city&q=city%3Doslo", "/?state=closed"):
            has_no_fault(page, path)
        conn.execute("update now_batch set refreshed_at = refreshed_at - interval '2 hours'")
        page.goto("/")
        assert violations(page) == []


def test_the_view_works_without_scripts(open_page: OpenPage, services: Services) -> None:
    with open_page(java_script_enabled=False) as page:
        enter(page, services)
        page.get_by_label("Search stores").fill("city=oslo")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#squares a")).to_have_count(2)
        page.locator(".count-tile.up").click()
        expect(page.get_by_role("heading", name="Up 1")).to_be_visible()
        page.locator("#squares a").first.click()
        page.wait_for_url("**/stores/**")


def test_thousands_of_squares_are_one_small_page_without_a_shift(
    open_page: OpenPage, services: Services, conn: psycopg.Connection
) -> None:
    conn.execute(
        "with made as (insert into store (store_id, labels) select gen_random_uuid()::text,"
        " jsonb_build_object('city', 'c' || n % 8) from generate_series(1, 3990) n returning store_key)"
        " insert into store_now (store_key, batch_no, state, day_from, counted_at, up_us, down_us, down_open_us, inactive_polls,"
        " digest) select store_key, 0, 'up', now(), now(), 0, 0, 0, 0, 0 from made"
    )
    conn.execute("update now_batch set refreshed_at = clock_timestamp()")  # as a refresh that finds them does
    with open_page() as page:
        enter(page, services)
        # No update comes in between.
        page.route("**/now.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        answer = page.goto("/")
        assert answer is not None
        assert page.locator("#squares a").count() >= 3990
        assert len(answer.body()) < 320_000
        shifts = page.evaluate(
            "new Promise(done => new PerformanceObserver(list => done(list.getEntries().length))"
            ".observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))"
        )
        assert shifts == 0
        bottom = page.locator("#squares").bounding_box()
        assert bottom is not None
        assert bottom["height"] < 900, "all of them fit one screen"
