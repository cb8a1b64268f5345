"""Names of stores where people look: lists, searches, the page, and reports with detail."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
NAMES = {"0042": "Main Street, 12", "0043": "Zürich <b>HB</b>", "0044": "=1+1", "0045": None}


@pytest.fixture(autouse=True)
def conn(env: dict[str, str]) -> Iterator[psycopg.Connection]:
    polls = [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(50)]
    load_fleet(env["UPTILL_DATABASE_URL"], {store_id: Store(polls) for store_id in NAMES})
    with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        for store_id, name in NAMES.items():
            conn.execute("update store set display_name = %s where store_id = %s", [name, store_id])
        yield conn


def make_report(api: TestClient, worker: WorkerContext, **asked: Any) -> dict[str, str]:
    """Return the name of each store in a report with detail."""
    report_id = api.post("/v1/reports", json={"detail": True, **asked}).json()["id"]
    work(worker, report_id)
    (file,) = api.get(f"/v1/reports/{report_id}").json()["files"]
    text = httpx2.get(file["url"]).text
    assert text.partition("\n")[0].endswith(",timezone,name")
    return {row["store_id"]: row["name"] for row in csv.DictReader(io.StringIO(text))}


def test_lists_show_them(api: TestClient) -> None:
    shown = {store["store_id"]: store["name"] for store in api.get("/v1/stores").json()["stores"]}
    assert shown == NAMES
    assert api.get("/v1/stores/0043").json()["name"] == NAMES["0043"]


def test_reports_with_detail_have_them(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    # A spreadsheet must not compute the third one.
    expected = {**NAMES, "0044": "'=1+1", "0045": ""}
    assert make_report(api, worker) == expected
    conn.execute(
        "insert into lifetime (store_key, closed_at, since_seq)"
        " select store_key, '2024-01-01', 1 from store where store_id = '0042'"
    )
    conn.execute("update ledger_head set seq = seq + 1, adjusted_seq = seq + 1")
    del expected["0042"]
    assert make_report(api, worker, force=True) == expected, "a store that is left out takes its name along"


def test_the_page_finds_and_shows_them(settings: Settings) -> None:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as browser:
        sign_in(browser, settings.api_key.get_secret_value())
        found = browser.get("/stores", params={"q": "zürich"}).text
        assert "Zürich &lt;b&gt;HB&lt;/b&gt;" in found
        assert "Main Street" not in found
        assert "Main Street, 12" in browser.get("/stores/0042").text
