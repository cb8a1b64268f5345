"""The API and the ingest service as processes, and browsers that are signed in."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import psycopg
import pytest

from services.local.ports import HOST, free_ports
from shared.keys import create_key
from tests.fixtures.page import sign_in
from tests.fixtures.services import Services, answers, wait_until

OpenBrowser = Callable[..., httpx2.Client]


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    extra = {
        "UPTILL_INGEST_URL": url,
        "UPTILL_SPOOL_DIR": str(tmp_path / "spool"),
        "UPTILL_MAX_UPLOAD_BYTES": str(8 << 20),
    }
    with Services({**env, **extra}, tmp_path) as started:
        started.start("uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={port}")
        started.api()
        wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
        yield started


@pytest.fixture
def open_browser(services: Services) -> Iterator[OpenBrowser]:
    """Sign in with a new key with these scopes and labels."""
    opened: list[httpx2.Client] = []

    def enter(scopes: Sequence[str], **labels: str) -> httpx2.Client:
        with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
            key = create_key(conn, name="person", scopes=list(scopes), store_labels=labels or None)
        browser = httpx2.Client(
            base_url=services.settings["UPTILL_API_URL"], headers={"Accept": "text/html"}, timeout=60
        )
        opened.append(browser)
        assert sign_in(browser, key).status_code == 303
        return browser

    yield enter
    for browser in opened:
        browser.close()


@pytest.fixture
def browser(open_browser: OpenBrowser) -> httpx2.Client:
    """A browser whose key may do everything but administer."""
    return open_browser(["reports:read", "reports:write", "ingest:write", "closures:write"])
