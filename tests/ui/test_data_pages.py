"""What people do about data: upload a bad file and find its bad line, declare a closure and see what it changed, look at the fleet."""

import re
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.services import Services
from tests.ui.conftest import HOSTILE, Colours, OpenPage, enter, has_no_fault

pytestmark = pytest.mark.ui
POLLS = "store_id,status,timestamp_utc\n" + "".join(
    f"{n:04},active,2024-10-14 {n % 24:02}:00:00 UTC\n" for n in range(50)
)


@pytest.fixture
def bad_file(tmp_path: Path) -> Path:
    path = tmp_path / "polls <b>.csv"
    path.write_text(POLLS + "0007,asleep,2024-10-14 01:00:00 UTC\n" + HOSTILE + ",active,yesterday\n")
    return path


def make_report(page: Page) -> None:
    page.get_by_role("link", name="Reports", exact=True).click()
    page.get_by_text("New report").click()
    page.get_by_role("button", name="Create the report").click()
    page.wait_for_selector("#rows-title", timeout=30_000)


def build_facts(services: Services) -> None:
    done = services.run("facts", "build", "--from", "2024-09-01", "--to", "2024-11-02")
    assert done.returncode == 0, done.stderr
    services.run("service-levels", "set", "north", "--target", "0.97", "--label", "region=north")


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_person_uploads_a_bad_file_and_finds_the_bad_line(
    open_page: OpenPage, services: Services, bad_file: Path, *, has_scripts: bool
) -> None:
    with open_page(java_script_enabled=has_scripts) as page:
        enter(page, services)
        page.get_by_role("link", name="Imports").click()
        page.get_by_label("Files", exact=True).set_input_files(bad_file)
        page.get_by_role("button", name="Try only").click()
        expect(page.get_by_text("nothing was changed")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("cell", name="52")).to_be_visible()
        page.goto("/imports")
        expect(page.get_by_text("No import yet")).to_be_visible()
        page.get_by_label("Files", exact=True).set_input_files(bad_file)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", name="polls <b>.csv")).to_be_visible(timeout=20_000)
        if not has_scripts:
            page.wait_for_timeout(1000)
            page.reload()
        expect(page.get_by_role("heading", name="Rejected rows")).to_be_visible(timeout=20_000)
        row = page.get_by_role("row", name="0007,asleep")
        expect(row).to_contain_text("52")
        expect(page.get_by_text("The status is neither active nor inactive")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="All as CSV").click()
        assert download.value.suggested_filename.startswith("rejects-")


def test_an_admin_looks_at_a_hook_and_its_rejected_items(open_page: OpenPage, services: Services) -> None:
    key = {"Authorization": f"Bearer {services.settings['UPTILL_API_KEY']}"}
    hook = f"{services.settings['UPTILL_INGEST_URL']}/v1/hooks/tills"
    mapping = {"store_id": "/store", "observed_at": "=2024-11-04T17:00:00Z", "status": "=active"}
    with open_page() as page:
        enter(page, services, "/imports")
        page.get_by_role("link", name="Hooks").click()
        expect(page.get_by_role("heading", name="No hook")).to_be_visible()
        httpx2.put(hook, headers=key, json={"mapping": mapping, "signature": {"scheme": "api_key"}})
        for store in ("0042", "0043", "<b>nowhere</b>"):
            assert httpx2.post(hook, headers=key, json={"store": store}).is_success
        page.reload()
        expect(page.get_by_role("row", name="tills")).to_contain_text("api key")
        expect(page.get_by_role("row", name="tills").get_by_role("cell")).to_have_text(
            ["1", re.compile(r"^20\d\d-"), "3", "1", "0", "api key", re.compile(r"^20\d\d-")]
        )
        has_no_fault(page, "/imports/hooks")
        page.get_by_role("link", name="1 rejected: tills").click()
        expect(page.get_by_role("heading", name="Rejected rows")).to_be_visible()
        expect(page.get_by_role("row", name="<b>nowhere</b>")).to_be_visible()


def test_files_and_folders_are_dropped(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services, "/imports")
        dropped = page.evaluate_handle(
            """text => { const held = new DataTransfer();
            held.items.add(new File([text], 'a.csv', {type: 'text/csv'}));
            held.items.add(new File(['store_id,timezone_str\\n0001,Europe/Berlin\\n'], 'zones.csv'));
            return held; }""",
            POLLS,
        )
        page.dispatch_event(".drop", "drop", {"dataTransfer": dropped})
        expect(page.locator("#chosen")).to_contain_text("a.csv, zones.csv")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("row", name="zones.csv")).to_contain_text("succeeded", timeout=20_000)


def test_a_person_declares_a_closure_and_sees_the_revision(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(page, services)
        make_report(page)
        first = page.url
        page.goto("/stores/0042?week=2024-10-30")
        page.locator("svg a[aria-label^=down]").last.click()
        page.get_by_role("link", name="Declare a closure for this stretch").click()
        page.get_by_label("Reason").fill("force_majeure")
        page.get_by_role("button", name="See the effect").click()
        expect(page.get_by_role("row", name="Excluded")).to_contain_text("0 s")
        after = page.get_by_role("row", name="Available").get_by_role("cell").last.inner_text()
        page.get_by_role("button", name="Declare the closure").click()
        expect(page.locator(".tile").first).to_contain_text(after)
        expect(page.locator(".closure")).to_contain_text("force_majeure")
        page.goto(first)
        page.get_by_role("button", name="Make again").click()
        expect(page.get_by_role("status")).to_contain_text("succeeded", timeout=30_000)
        page.get_by_role("link", name="Compare with the first").click()
        expect(page.get_by_role("heading", name="0042")).to_be_visible()
        expect(page.get_by_text("closure", exact=False).first).to_be_visible()
        page.goto("/stores/0042?week=2024-10-30")
        page.get_by_role("link", name="Declare or withdraw").click()
        page.get_by_role("link", name="Withdraw…").click()
        page.get_by_role("button", name="Withdraw the closure").click()
        expect(page.get_by_text("None in this week.")).to_be_visible()


def test_a_closure_is_declared_by_the_keyboard(open_page: OpenPage, services: Services) -> None:
    with open_page() as page:
        enter(
            page,
            services,
            "/closures/new?store_id=0042&week=2024-10-28&begin=1730300000000000&end=1730310000000000",
        )
        page.get_by_label("From").focus()
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.value === 'try'"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="The effect")).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_view_has_a_fault_of_access_or_is_wider_than_the_screen(
    open_page: OpenPage, services: Services, bad_file: Path, colours: Colours
) -> None:
    with open_page(colours=colours) as page:
        enter(page, services, "/fleet")
        expect(page.get_by_text("uptill facts build --from")).to_be_visible()
        has_no_fault(page, "/fleet")
        build_facts(services)
        page.goto("/imports")
        page.get_by_label("Files", exact=True).set_input_files(bad_file)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", name="Rejected rows")).to_be_visible(timeout=20_000)
        imported = page.url
        place = f"store_id={quote(HOSTILE, safe='')}&week=2024-10-28"
        for path in ("/fleet?by=region", "/fleet?q=owner%3Dnobody", "/imports", imported, "/reports",
                     f"/closures/new?{place}", f"/policies/{quote(HOSTILE, safe='')}", "/policies/0042?week=2024-10-30"):  # fmt: skip
            has_no_fault(page, path)
