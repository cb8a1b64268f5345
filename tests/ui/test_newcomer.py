"""A newcomer's question: which of my stores were down yesterday evening, and why? By mouse alone."""

import pytest
from playwright.sync_api import expect

from tests.fixtures.services import Services
from tests.ui.conftest import Colours, OpenPage, enter, has_no_fault

pytestmark = pytest.mark.ui


def test_which_stores_were_down_yesterday_evening_and_why(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services)
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Outages").click()
        expect(page.get_by_text("the day before the newest poll")).to_be_visible()
        page.get_by_role("link", name="evening").click()
        rows = page.locator("table.outages tbody tr")
        expect(rows.first).to_be_visible()
        store = rows.first.get_by_role("link")
        name = store.inner_text()
        store.click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(page.locator("#ledger .why.down")).to_contain_text("inactive poll")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_view_has_no_fault_of_access(open_page: OpenPage, services: Services, colours: Colours) -> None:
    with open_page(colours=colours) as page:
        enter(page, services, "/outages")
        for path in ("/outages", "/outages?part=evening", "/outages?part=evening&q=owner%3Dnobody",
                     "/outages?day=2020-01-01"):  # fmt: skip
            has_no_fault(page, path)
