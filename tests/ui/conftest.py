"""A stack with a small fleet, and browsers of several sizes and colours that accept no fault."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from services.local.ports import HOST, free_ports
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, answers, wait_until

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600 + 30) for day in range(7)]
AXE = (Path(__file__).with_name("vendor") / "axe.min.js").read_text()
HOSTILE = "<img src=x onerror=alert(1)> \u05e9\u05dc\u05d5\u05dd " + "x" * 900
FLEET = {
    "0042": Store(
        [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(500)], "America/New_York", DAYTIME
    ),
    "0043": Store(
        [(NOW - timedelta(minutes=61 * n), n % 9 != 0) for n in range(500)], "Europe/Berlin", DAYTIME
    ),
    "silent": Store(timezone="Asia/Tokyo"),
    HOSTILE: Store([(NOW - timedelta(hours=3), True)]),
}
_NO_SANDBOX = "--no-sandbox"  # Chromium as root needs it
# A page that was left out on purpose, and a wrong key, are answers that a browser writes to its console.
_EXPECTED = "Failed to load resource: the server responded with a status of 40"

_WIDTHS = (360, 390, 768, 1120, 1280, 1440, 1920)
# What is wider than the screen, and which views the menu cuts off.
_BEYOND = """[document.documentElement, document.querySelector('.bar nav')]
    .map(each => each ? each.scrollWidth - each.clientWidth : 0)"""
# Cells whose text reaches into the next one.
_SPILLS = """() => [...document.querySelectorAll('td, th')].filter(cell => {
    const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    const end = cell.getBoundingClientRect().right + 1;
    const range = document.createRange();
    while (words.nextNode()) {
        const parent = words.currentNode.parentElement;
        range.selectNodeContents(words.currentNode);
        if (range.getBoundingClientRect().right > end && !parent.closest('.hidden')
            && getComputedStyle(parent.closest('.id, .chip') || parent).overflowX === 'visible') return true;
    }
    return false;
}).map(cell => cell.outerHTML.slice(0, 200))"""

Colours = Literal["light", "dark"]
OpenPage = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "install chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[_NO_SANDBOX])
        yield browser
        browser.close()


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    """The API, the ingest service and a worker over the fleet, with facts of its days."""
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        labels = json.dumps({"region": "north", "owner": "<b>acme</b>"})
        conn.execute("update store set labels = %s where store_id = '0042'", [labels])
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    extra = {"UPTILL_INGEST_URL": url, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    with Services({**env, **extra}, tmp_path) as started:
        started.start("uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={port}")
        started.api()
        started.worker()
        wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
        yield started


@pytest.fixture
def open_page(chromium: Browser, services: Services) -> OpenPage:
    """Open a page; its end fails for an error in the console, or a request to another host."""
    origin = services.settings["UPTILL_API_URL"]

    @contextmanager
    def opened(width: int = 1440, colours: Colours = "light", **options: Any) -> Iterator[Page]:
        context = chromium.new_context(
            base_url=origin, viewport={"width": width, "height": 900}, color_scheme=colours, **options
        )
        faults: list[str] = []

        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(_EXPECTED):
                faults.append(message.text)

        def watch(request: Request) -> None:
            if not request.url.startswith((origin, "data:", services.settings["UPTILL_S3_PUBLIC_ENDPOINT"])):
                faults.append(request.url)

        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", watch)
        yield page
        context.close()
        assert faults == []

    return opened


def enter(page: Page, services: Services, path: str = "/") -> None:
    """Sign in as a person does, on the way to a view."""
    page.goto(path)
    page.get_by_label("API key").fill(services.settings["UPTILL_API_KEY"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("nav[aria-label=Main]")


def violations(page: Page) -> list[str]:
    """What axe-core finds, as `rule: element`."""
    # Through the debugger, which the page's policy does not bind.
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def has_no_fault(page: Page, path: str) -> None:
    """Fail if a view is wider than a screen or a cell wider than its column, or if axe-core finds something.

    Everything that can be opened is opened.
    """
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(path)
        assert page.evaluate(_BEYOND) == [0, 0], (path, width)
        assert page.evaluate(_SPILLS) == [], (path, width)
        if width in (390, 1440):
            for details in page.locator("details:not(.menu) > summary").all():
                details.click()
            assert violations(page) == [], (path, width)
