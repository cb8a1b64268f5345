"""The page below a path prefix, behind TLS on one port, as `deploy/nginx/nginx.conf` serves it."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import psycopg
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from services.local.ports import HOST, free_ports
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.nginx import PREFIX, running_proxy
from tests.fixtures.services import Services, answers, wait_until
from tests.ui.conftest import FLEET, NOW, violations

pytestmark = pytest.mark.ui
ODD = "berlin/mitte %2F?#1"
ORIGIN_RULES = "default-src 'self'"


@pytest.fixture
def url(env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The page's address behind the proxy, with a fleet, live state and all services."""
    load_fleet(env["UPTILL_DATABASE_URL"], {**FLEET, ODD: Store([(NOW, True)])})
    ingest_port, port = free_ports(2)
    ingest = f"http://{HOST}:{ingest_port}"
    extra = {
        "UPTILL_INGEST_URL": ingest,
        "UPTILL_SPOOL_DIR": str(tmp_path / "spool"),
        "UPTILL_S3_PUBLIC_ENDPOINT": f"https://localhost:{port}",
        "UPTILL_NOW_EVERY_S": "2",
    }
    with Services({**env, **extra}, tmp_path) as services:
        services.start(
            "uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={ingest_port}"
        )
        services.api()
        services.scheduler()
        services.worker()
        wait_until(lambda: answers(f"{ingest}/readyz"), "the ingest service")
        servers = {"api": env["UPTILL_API_URL"], "ingest": ingest, "s3": env["UPTILL_S3_ENDPOINT"]}
        with running_proxy(tmp_path / "nginx", port, servers, env["UPTILL_S3_BUCKET"]) as url:
            yield url


@pytest.fixture
def page(chromium: Browser, url: str, env: dict[str, str]) -> Iterator[Page]:
    """A page whose every request must stay below the prefix; only links to reports lead to the bucket beside it."""
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
    faults: list[str] = []

    def watch(request: Request) -> None:
        if not request.url.startswith((url, "data:", f"{origin}/{env['UPTILL_S3_BUCKET']}/")):
            faults.append(request.url)

    origin = "https://" + urlsplit(url).netloc
    page = context.new_page()
    page.on("request", watch)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert faults == []


def enter(page: Page, url: str, env: dict[str, str], path: str = "") -> None:
    page.goto(url + path)
    page.get_by_label("API key").fill(env["UPTILL_API_KEY"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("nav[aria-label=Main]")


def cookies(page: Page) -> dict[str, Any]:
    return {each["name"]: each for each in page.context.cookies()}


def test_cookies_are_bound_to_the_host_and_to_tls(page: Page, url: str, env: dict[str, str]) -> None:
    enter(page, url, env, "stores/0042?week=2024-10-30")
    expect(page.get_by_role("heading", name="Week of Mon 28 Oct 2024")).to_be_visible()
    session = cookies(page)["__Host-uptill_session"]
    assert (session["secure"], session["httpOnly"], session["path"], session["sameSite"]) == (
        True, True, "/", "Lax",
    )  # fmt: skip
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url.endswith(f"{PREFIX}stores/0042?week=2024-10-30")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "__Host-uptill_session" not in cookies(page)


def test_views_parts_uploads_and_downloads_stay_below_the_prefix(
    page: Page, url: str, env: dict[str, str], tmp_path: Path
) -> None:
    enter(page, url, env)
    page.get_by_role("navigation").get_by_role("link", name="Stores").click()
    page.get_by_role("searchbox").press_sequentially("mitte")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=ODD).click()
    expect(page.get_by_role("heading", name=ODD)).to_be_visible()
    assert page.url == f"{url}stores/{quote(ODD, safe='')}"
    page.goto(f"{url}stores/0042?week=2024-10-30")
    page.locator("svg a[aria-label^=down]").first.click()
    expect(page.locator("#ledger .why.down")).to_be_visible()
    for name in ("Fleet", "Incidents", "Imports", "Reports"):
        page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        assert violations(page) == []
    page.get_by_text("New report").click()
    page.get_by_role("button", name="Create the report").click()
    page.wait_for_selector("#rows-title", timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="report.csv").click()
    assert Path(download.value.path()).read_text().startswith("store_id,")
    page.goto(f"{url}imports")
    file = tmp_path / "zones.csv"
    file.write_text("store_id,timezone_str\n0042,Europe/Berlin\n")
    page.get_by_label("Files", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="zones.csv")).to_be_visible(timeout=20_000)


def test_events_arrive_when_they_happen(page: Page, url: str, env: dict[str, str]) -> None:
    enter(page, url, env)
    heard = page.evaluate(
        "new Promise((done, failed) => { const stream = new EventSource('./now/events?q=');"
        " stream.addEventListener('ready', () => { stream.close(); done('ready'); });"
        " setTimeout(() => failed('the proxy keeps the events'), 20000); })"
    )
    assert heard == "ready"
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        counted = "select count(*) = (select count(*) from store) from store_now"
        wait_until(lambda: conn.execute(counted).fetchone() == (True,), "live state")
        page.reload()
        expect(page.locator(".count-tile.up b")).to_have_text("0")
        conn.execute("insert into now_change (at, store_key, was, state)"
                     " select now(), store_key, 'up', 'down' from store where store_id = '0042'")  # fmt: skip
        conn.execute(
            "update store_now set state = 'up' where store_key = (select store_key from store where store_id = '0042')"
        )
        expect(page.locator(".count-tile.up b")).to_have_text("1", timeout=15_000)


def test_programs_use_the_same_port(url: str, env: dict[str, str]) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
    origin = "https://" + urlsplit(url).netloc
    with httpx2.Client(base_url=origin, verify=trust, headers=headers) as http:
        created = http.post(f"{PREFIX}v1/reports", json={})
        assert created.status_code == 202, created.text
        assert created.headers["location"].startswith(f"{PREFIX}v1/reports/")
        assert http.get(created.headers["location"]).json()["id"] == created.json()["id"]
        assert http.get(f"{PREFIX}v1/stores/{quote(ODD, safe='')}").json()["store_id"] == ODD
        polls = http.post("/ingest/v1/observations", json={"observations": []})
        assert polls.status_code < 500
        assert http.get(PREFIX.rstrip("/")).headers["location"] == PREFIX
        for path in ("/", "/v1/stores", "/statusx/"):
            assert http.get(path).status_code == 404, path
        assert http.put(f"/{env['UPTILL_S3_BUCKET']}/x", content=b"x").status_code == 403
