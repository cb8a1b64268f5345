"""The page's views of reports: starting one, its progress, its rows, its files, and who may see and do what."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.api.web.preview import PreviewChoice, choose_rows
from services.worker.context import WorkerContext
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.logins import with_login
from tests.fixtures.page import form_token, sign_in

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"
FLEET = {
    name: Store([(NOW - timedelta(minutes=61 * n), n % every != 0) for n in range(40)])
    for every, name in ((5, "0042"), (2, "0043"), (3, HOSTILE))
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set labels = '{\"region\": \"north\"}' where store_id = '0042'")


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def start(browser: TestClient, **fields: object) -> str:
    """Send the form and return the path of the report's page."""
    token = form_token(browser.get("/reports").text)
    answer = browser.post("/reports", data={"form_token": token, "policy": "classic", **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix(".")


def finished(browser: TestClient, worker: WorkerContext, **fields: object) -> str:
    path = start(browser, **{"window": ["last_hour", "last_day"], **fields})
    work(worker, path.rpartition("/")[2])
    return path


def shown_ids(page: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'class="id" title="([^"]*)"', page)]


def test_a_report_is_started_followed_and_downloaded(browser: TestClient, worker: WorkerContext) -> None:
    path = start(browser, window=["last_day"], format=["csv", "xlsx"], file=["outages"])
    page = browser.get(path).text
    assert 'hx-trigger="every 1s"' in page
    assert "queued" in page
    work(worker, path.rpartition("/")[2])
    page = browser.get(path).text
    assert "hx-trigger" not in page
    files = re.findall(r'href="\.\./(reports/[^"]+/files/[^"]+)"', page)
    assert [file.rpartition("/")[2] for file in files] == [
        "report.csv", "report.xlsx", "outages.csv", "outages.xlsx",
    ]  # fmt: skip
    answer = browser.get(f"/{files[0]}")
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store"
    assert httpx2.get(answer.headers["location"]).text.startswith("store_id,uptime_last_day")
    assert path.rpartition("/")[2] in browser.get("/reports?state=succeeded").text
    assert path.rpartition("/")[2] not in browser.get("/reports?state=failed").text


def test_the_time_of_reasons_is_left_out(browser: TestClient, worker: WorkerContext) -> None:
    assert 'name="exclude_reasons"' in browser.get("/reports").text
    path = finished(browser, worker, exclude_reasons="busy, technical", file=["reasons"])
    page = browser.get(path).text
    assert '<span class="chip">busy</span> <span class="chip">technical</span>' in page
    assert "reasons.csv" in page
    token = form_token(browser.get("/reports").text)
    sent = {"form_token": token, "policy": "classic", "window": ["last_day"], "exclude_reasons": "oven"}
    answer = browser.post("/reports", data=sent)
    assert answer.status_code == 422
    assert "unknown reason" in answer.text


def test_rows_are_searched_and_sorted_on_the_server(browser: TestClient, worker: WorkerContext) -> None:
    path = finished(browser, worker)
    page = browser.get(path).text
    assert shown_ids(page) == ["0042", "0043", HOSTILE]
    assert "<img" not in page
    assert shown_ids(browser.get(path, params={"q": "IMG"}).text) == [HOSTILE]
    most_down = browser.get(path, params={"sort": "downtime_last_day", "down": "true"}).text
    assert shown_ids(most_down) == ["0043", HOSTILE, "0042"]
    assert 'aria-sort="descending"' in most_down
    assert shown_ids(browser.get(path, params={"sort": "<b>"}).text) == ["0042", "0043", HOSTILE]


def test_each_number_has_its_unit_and_its_meaning(browser: TestClient, worker: WorkerContext) -> None:
    path = finished(browser, worker, window=["last_hour"], windows="week_of:2024-W44", detail="1", ids="0042")
    page = browser.get(path).text
    titles = [re.sub(r"<[^>]*>", "", each) for each in re.findall(r"<th scope=\"col\".*?</th>", page)]
    assert [*titles[:3], *titles[7:9]] == [
        "store id",
        "uptime, last hour minutes",
        "uptime, week of 2024-W44 hours",
        "uptime at least, last hour minutes",
        "uptime at least, week of 2024-W44 hours",
    ]
    assert " min " not in " ".join(titles)
    assert (
        page.count("Mean time between failures: uptime, divided by the outages that began in the window.")
        == 3
    )
    assert "<dd>last hour, week of 2024-W44</dd>" in page
    assert "<dd>1 id</dd>" in page
    assert re.search(r"\d bytes, 1 row<|kB, 1 row<", page)


def test_numbers_sort_as_numbers_and_before_texts() -> None:
    lines = [["store_id", "x"], ["a", "10"], ["b", "9"], ["c", ""], ["d", "-1"]]
    found = choose_rows(lines, PreviewChoice(sort="x"))
    assert [row[0] for row in found.rows] == ["d", "b", "a", "c"]
    assert (found.matching, found.total) == (4, 4)
    assert [row[0] for row in choose_rows(lines, PreviewChoice(text="B")).rows] == ["b"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"window": ["nonsense"]}, "nonsense"),
        ({}, "windows"),
        ({"window": ["last_day"], "policy": "<b>"}, "policy"),
        ({"window": ["last_day"], "ids": "missing"}, "missing"),
        ({"window": ["last_day"], "labels": "region"}, "region"),
        ({"window": ["last_day"], "as_of": "yesterday"}, "yesterday"),
    ],
)
def test_a_wrong_form_gets_an_error_page(browser: TestClient, fields: dict[str, object], word: str) -> None:
    token = form_token(browser.get("/reports").text)
    answer = browser.post("/reports", data={"form_token": token, "policy": "classic", **fields})
    assert answer.status_code == 422
    assert word in answer.text
    assert "<b>" not in answer.text


def test_a_report_can_be_canceled(browser: TestClient) -> None:
    path = start(browser, window=["last_day"], labels="region=north")
    token = form_token(browser.get(path).text)
    assert browser.post(f"{path}/cancel", data={"form_token": "wrong"}).status_code == 403
    assert browser.post(f"{path}/cancel", data={"form_token": token}).status_code == 303
    assert "canceled" in browser.get(path).text
    assert browser.post(f"{path}/retry", data={"form_token": token}).status_code == 409


def test_a_limited_key_sees_and_starts_reports_on_its_stores_only(
    browser: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    everything = finished(browser, worker)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(
            conn, name="north", scopes=["reports:read", "reports:write"], store_labels={"region": "north"}
        )
    sign_in(browser, key)
    for path in (everything, f"{everything}/files/report.csv"):
        assert browser.get(path).status_code == 404
    assert everything.rpartition("/")[2] not in browser.get("/reports").text
    own = finished(browser, worker)
    assert shown_ids(browser.get(own).text) == ["0042"]


def test_a_key_that_only_reads_starts_nothing(browser: TestClient, env: dict[str, str]) -> None:
    path = start(browser, window=["last_day"])
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="reader", scopes=["reports:read"])
    sign_in(browser, key)
    page = browser.get("/reports").text
    assert "New report" not in page
    assert "cancel" not in re.sub(r"state=canceled.*?</a>", "", browser.get(path).text)
    sent = {"form_token": form_token(page), "window": "last_day", "policy": "classic"}
    for target in ("/reports", f"{path}/cancel", f"{path}/retry"):
        assert browser.post(target, data=sent).status_code == 403


@pytest.mark.parametrize(
    "path", [f"/reports/{UUID(int=0)}", "/reports/nonsense", f"/reports/{UUID(int=0)}/files/x"]
)
def test_a_report_that_does_not_exist_gets_an_error_page(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_every_view_needs_a_session(browser: TestClient) -> None:
    browser.cookies.clear()
    for path in ("/reports", f"/reports/{uuid4()}", f"/reports/{uuid4()}/files/report.csv", "/stores/0042"):
        answer = browser.get(path)
        assert answer.status_code == 303
        assert "sign-in?next=" in answer.headers["location"]
    for path in (
        "/reports",
        f"/reports/{uuid4()}/cancel",
        f"/reports/{uuid4()}/retry",
        "/theme",
        "/sign-out",
    ):
        answer = browser.post(path, data={"form_token": "0" * 64})
        assert (answer.status_code, answer.headers["location"].rpartition("/")[2]) == (303, "sign-in")
    part = browser.get("/reports", headers={"HX-Request": "true"})
    assert part.headers["hx-redirect"].startswith("./sign-in")


def test_a_report_is_made_again_and_what_differs_is_shown(
    browser: TestClient, worker: WorkerContext, env: dict[str, str]
) -> None:
    first = finished(browser, worker)
    token = form_token(browser.get(first).text)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update ledger_head set seq = seq + 1")
        conn.execute("update observation set is_active = false")
        conn.execute("update store set polled_since_seq = polled_since_seq")
    answer = browser.post(f"{first}/revisions", data={"form_token": token})
    second = answer.headers["location"].removeprefix("../..")
    assert second != first
    work(worker, second.rpartition("/")[2])
    page = browser.get(second).text
    link = re.search(r'href="[./]*(reports/[^"]*/diff\?against=[^"]*)"', page)
    assert link is not None
    differences = browser.get("/" + link[1]).text
    assert 'uptime, last hour <span class="unit">minutes</span>' in differences
    assert 'downtime, last day <span class="unit">hours</span>' in differences
    assert "<img" not in differences
    same = browser.get(f"{first}/diff?against={first.rpartition('/')[2]}").text
    assert "Nothing differs" in same
    assert browser.post(f"{first}/revisions", data={"x": "y"}).status_code == 403


def test_reports_are_chosen_by_policy(browser: TestClient) -> None:
    start(browser, window=["last_hour"])
    assert "No report found" in browser.get("/reports?policy=hold").text
    page = browser.get("/reports?policy=classic&state=queued").text
    assert 'aria-current="true">classic' in page
    assert 'hx-trigger="every 2s"' in page
