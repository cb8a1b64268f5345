"""Incidents, rules and channels in a browser: what an admin does by mouse and by keyboard, and that every view is for everyone."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.receiver import receiver
from tests.fixtures.services import Services, wait_until
from tests.integration.live.live_fleet import STATES, load_live_fleet
from tests.ui.conftest import HOSTILE, Colours, OpenPage, enter, has_no_fault, violations

pytestmark = pytest.mark.ui
_SOON_MS = 40_000


@pytest.fixture
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        load_live_fleet(env["UPTILL_DATABASE_URL"], conn)
        conn.execute("update store set store_id = %s where store_id = 'silent'", [HOSTILE])
        yield conn


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path, conn: psycopg.Connection) -> Iterator[Services]:
    """The API, a worker and a scheduler that refreshes often and may send to this machine."""
    extra = {"UPTILL_NOW_EVERY_S": "2", "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true"}
    with Services({**env, **extra}, tmp_path) as started:
        started.api()
        started.scheduler()
        started.worker()
        stores = "select count(*) from store_now"
        wait_until(lambda: conn.execute(stores).fetchone() == (len(STATES),), "live state")
        yield started


def add_rule(page: Page, kind: str, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Incidents").click()
    page.get_by_role("navigation", name="Incidents").get_by_role("link", name="Rules").click()
    page.get_by_role("link", name="New rule").click()
    page.get_by_role("link", name=kind).click()
    page.get_by_label("Name of the rule").fill(name)
    page.get_by_role("button", name="Add the rule").click()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_an_admin_sets_a_rule_and_looks_after_its_incident(
    open_page: OpenPage, services: Services, conn: psycopg.Connection
) -> None:
    with open_page() as page:
        enter(page, services)
        expect(page.get_by_role("link", name="No open incident")).to_be_visible()
        add_rule(page, "Store down", "down")
        opened = "select count(*) from incident where state = 'open'"
        wait_until(lambda: conn.execute(opened).fetchone() == (1,), "the incident")
        page.goto("/")
        page.get_by_role("link", name="1 open incident").click()
        page.locator(".incidents tbody a").first.click()
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
        page.get_by_label("Note").fill("calling them")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("cell", name="calling them")).to_be_visible()
        expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        page.get_by_role("link", name="Why: the store's week").click()
        expect(page.locator("#ledger .why.down")).to_be_visible()
        page.goto("/incidents/rules")
        page.get_by_role("button", name="Pause down").click()
        expect(page.get_by_text("paused", exact=True)).to_be_visible()
        page.goto("/incidents")
        expect(page.get_by_text("its rule was paused")).to_be_visible()


def test_a_channel_is_added_and_tested(open_page: OpenPage, services: Services) -> None:
    with receiver() as target, open_page() as page:
        enter(page, services, "/incidents/channels")
        page.get_by_role("link", name="New channel").click()
        page.get_by_role("link", name="Webhook").click()
        page.get_by_label("Name").fill("ops")
        page.get_by_label("URL").fill(f"{target.url}/secret-path")
        page.get_by_role("button", name="Add the channel").click()
        expect(page.get_by_role("heading", name="The secret that signs its messages")).to_be_visible()
        page.get_by_role("button", name="Send a test message").click()
        expect(page.get_by_role("row", name="delivered")).to_be_visible(timeout=_SOON_MS)
        assert "secret-path" not in page.content()


def test_everything_is_reached_by_the_keyboard(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services, "/incidents/new-rule?kind=store_down")
        page.get_by_label("Name of the rule").focus()
        page.keyboard.type("by-keys")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="by-keys")).to_be_visible()
        page.goto("/incidents")
        expect(page.locator(".incidents tbody tr")).to_have_count(1, timeout=_SOON_MS)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('.incidents') !== null"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
        page.get_by_label("Note").focus()
        page.keyboard.type("seen")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("cell", name="seen")).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_view_has_a_fault_of_access_or_is_wider_than_the_screen(
    open_page: OpenPage, services: Services, conn: psycopg.Connection, colours: Colours
) -> None:
    with open_page(colours=colours) as page:
        enter(page, services, "/incidents")
        assert violations(page) == []
        for kind, name in (("Store down", "down"), ("Store silent", "silent"), ("Feed silent", "feed")):
            add_rule(page, kind, name)
        conn.execute(
            "insert into channel (name, kind, destination, shown, per_minute, attach)"
            " values ('ops', 'email', '{}', 'o…@example.com', 20, true)"
        )
        conn.execute(
            "insert into channel_message (channel, topic, state, last_error) values ('ops', 'down', 'failed', 'refused')"
        )
        open_incidents = "select count(*) from incident where state = 'open'"
        wait_until(lambda: conn.execute(open_incidents).fetchone() == (2,), "incidents", within_s=60)
        conn.execute(
            "update incident set state = 'resolved', ended_at = now(), calm_at = now(), flaps = 3 where rule = 'silent'"
        )
        conn.execute("delete from alert_rule where name = 'silent'")
        ids = conn.execute("select id from incident order by id").fetchall()
        paths = [f"/incidents/{incident_id}" for (incident_id,) in ids]
        for path in ("/", "/incidents", "/incidents?state=ended", "/incidents?q=none", *paths, "/incidents/rules",
                     "/incidents/new-rule", "/incidents/new-rule?kind=group_down",
                     "/incidents/new-rule?kind=service_level_at_risk", "/incidents/rules/down", "/incidents/channels",
                     "/incidents/channels/ops", "/incidents/new-channel", "/incidents/new-channel?kind=email",
                     "/incidents/new-channel?kind=chat"):  # fmt: skip
            has_no_fault(page, path)
