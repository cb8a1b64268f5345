"""Insights in a browser: a person finds the store that is late on Sundays and sees such a Sunday, also without scripts."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import expect

from tests.fixtures.services import Services
from tests.integration.insights.insight_fleet import load_insight_fleet
from tests.ui.conftest import Colours, OpenPage, enter, has_no_fault

pytestmark = pytest.mark.ui


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    """The API and a worker over a fleet with one finding of each kind, after a run."""
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        load_insight_fleet(env["UPTILL_DATABASE_URL"], conn)
    with Services(env, tmp_path) as started:
        started.api()
        started.worker()
        done = started.run("insights", "run")
        assert done.returncode == 0, done.stderr
        yield started


def test_a_person_finds_a_late_store_without_scripts(open_page: OpenPage, services: Services) -> None:
    with open_page(java_script_enabled=False) as page:
        enter(page, services)
        page.get_by_role("link", name="Insights", exact=True).click()
        found = page.locator("section[aria-labelledby=found-pattern]")
        expect(found).to_contain_text("Late opening on Sundays")
        expect(page.locator(".risks li")).to_have_count(10)
        page.get_by_label("Only stores with the labels").fill("franchise=X")
        page.get_by_role("button", name="Show").click()
        expect(found).to_contain_text("Nothing found about these stores.")
        expect(page.locator("section[aria-labelledby=found-cause]")).to_contain_text("franchise=X went down")
        page.go_back()
        found.get_by_role("link", name="Week of 2024-10-13").click()
        expect(page.get_by_role("heading", name="Week of Mon 7 Oct 2024")).to_be_visible()
        page.get_by_role("link", name="Fleet", exact=True).click()
        page.get_by_text("As a table, percent down").click()
        expect(page.locator(".heat-table tbody tr")).to_have_count(7)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_view_has_a_fault_of_access_or_is_wider_than_the_screen(
    open_page: OpenPage, services: Services, colours: Colours
) -> None:
    with open_page(colours=colours) as page:
        enter(page, services)
        for path in ("/insights", "/insights?q=region%3Dnowhere", "/fleet"):
            has_no_fault(page, path)
