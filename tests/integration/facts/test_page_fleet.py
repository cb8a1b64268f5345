"""The page's view of the fleet: the numbers of the series, what it says without facts, and whose stores it shows."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in
from tests.integration.facts.test_facts_walk import build

NOON = datetime(2024, 10, 31, 12, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(6)]
POLLS = [(NOON - timedelta(minutes=47 * n), n % 7 != 0) for n in range(1_900)]
HOSTILE = "<img src=x onerror=alert(1)>"
FLEET = {
    "a": Store(POLLS, "America/Chicago", DAYTIME),
    HOSTILE: Store(POLLS[::2], "Asia/Kathmandu", DAYTIME),
    "silent": Store(timezone="Europe/Berlin"),
}
LABELS = {"a": {"region": "north"}, HOSTILE: {"region": "<b>south</b>"}}


@pytest.fixture
def url(env: dict[str, str]) -> str:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        for store_id, labels in LABELS.items():
            conn.execute("update store set labels = %s where store_id = %s", [Jsonb(labels), store_id])
    return env["UPTILL_DATABASE_URL"]


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def text_of(page: str) -> str:
    """The words of a page, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def test_before_the_first_poll_the_page_says_what_to_do(browser: TestClient) -> None:
    answer = browser.get("/fleet")
    assert answer.status_code == 200
    assert "No poll yet" in answer.text
    assert "uptill ingest FILES" in answer.text


@pytest.mark.usefixtures("url")
def test_without_facts_the_page_names_the_command(browser: TestClient) -> None:
    page = text_of(browser.get("/fleet?policy=carry").text)
    assert "uptill facts build --from 2024-10-01 --to 2024-10-30 --policy carry" in page
    assert "UPTILL_FACTS_POLICIES=carry" in page
    assert "Lowest availability" not in page


def test_the_lowest_and_the_highest_are_those_of_the_series(
    browser: TestClient, api: TestClient, url: str, worker: WorkerContext
) -> None:
    polls = {
        f"s{n:02}": Store(
            [(at, (place + n) % (2 + n % 12) != 0) for place, (at, _) in enumerate(POLLS[:300])], "UTC"
        )
        for n in range(24)
    }
    load_fleet(url, polls)
    build(url, worker, date(2024, 10, 1), date(2024, 10, 27))
    page = browser.get("/fleet").text
    for order in ("lowest", "highest"):
        asked = {"window": "P30D", "group": "store", "by": "month", "order": order, "limit": 10}
        ranked = [total["group"] for total in api.get("/v1/series", params=asked).json()["totals"]]
        table = page.partition(f'id="{order}-title"')[2].partition("</section>")[0]
        assert list(dict.fromkeys(re.findall(r"stores/([^?]+)\?policy", table))) == ranked
        assert len(ranked) == 10


def test_the_numbers_are_those_of_the_series(
    browser: TestClient, api: TestClient, url: str, worker: WorkerContext
) -> None:
    build(url, worker, date(2024, 9, 1), date(2024, 10, 27))
    page = text_of(browser.get("/fleet?by=region").text)
    asked = {"window": "P30D", "compare": "previous"}
    total = api.get("/v1/series", params=asked).json()["totals"][0]
    assert f"{total['availability'] * 100:.2f} %" in page
    assert f"outages {total['outages']} {total['previous']['outages']} before" in page
    assert total["days_missing"] > 0
    assert f"{total['days_missing']} of {total['days'] + total['days_missing']} days of stores" in page
    for group in api.get("/v1/series", params={**asked, "group": "label:region"}).json()["totals"]:
        name = group["group"] or "without"
        assert f"{name} {group['availability'] * 100:.2f} %" in page
    for day in api.get("/v1/series", params={**asked, "group": "weekday", "by": "month"}).json()["totals"]:
        if day["availability"] is not None:
            change = f"{day['change']['availability'] * 100:+.2f}".replace("-", "\u2212")
            assert f"{day['group']} {day['availability'] * 100:.2f} % {change}" in page


def test_every_day_is_a_point_and_a_row(browser: TestClient, url: str, worker: WorkerContext) -> None:
    build(url, worker, date(2024, 10, 1), date(2024, 10, 28))
    page = browser.get("/fleet?q=region%3Dnorth").text
    assert len(re.findall('class="c-hover"', page)) == 2 * 30
    # Sundays are closed, and the last two dates are not final: a gap each.
    assert len(re.findall('class="c-dot"', page)) == 24 + 1  # and that of the legend
    assert len(re.findall(r"<tr><th scope=\"row\"><a [^>]*>\w{3} \d", page)) == 30


def test_a_text_of_others_is_text(browser: TestClient, url: str, worker: WorkerContext) -> None:
    build(url, worker, date(2024, 10, 1), date(2024, 10, 28))
    page = browser.get("/fleet?by=region").text
    assert "<img" not in page
    assert "<b>south" not in page
    assert "&lt;b&gt;south&lt;/b&gt;" in page
    assert "stores/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E" in page


def test_a_limited_key_sees_its_stores(browser: TestClient, url: str, worker: WorkerContext) -> None:
    build(url, worker, date(2024, 10, 1), date(2024, 10, 28))
    with psycopg.connect(url) as conn:
        key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    browser.cookies.clear()
    sign_in(browser, key)
    page = browser.get("/fleet?by=region").text
    assert "north" in page
    assert "south" not in page
    assert "onerror" not in page


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("query", ["q=north", "q=a%3D%01", "policy=hold-scaled", "days=7"])
def test_a_wrong_choice_is_a_page_that_says_so(browser: TestClient, query: str) -> None:
    answer = browser.get(f"/fleet?{query}")
    assert answer.status_code == 422
    assert "<h1>" in answer.text


def test_a_group_that_cannot_be_is_named(browser: TestClient, url: str, worker: WorkerContext) -> None:
    build(url, worker, date(2024, 10, 1), date(2024, 10, 28))
    answer = browser.get("/fleet", params={"by": "<b>"})
    assert answer.status_code == 200
    assert 'class="fault"' in answer.text
    assert "<b>" not in answer.text


@pytest.mark.usefixtures("url")
def test_service_levels_show_what_is_left(browser: TestClient, api: TestClient) -> None:
    api.put("/v1/service-levels/north", json={"target": 0.97, "labels": {"region": "north"}})
    page = text_of(browser.get("/fleet").text)
    assert re.search(r"north region=north not evaluated yet 97 %", page)


def test_nothing_is_shown_without_a_session(browser: TestClient) -> None:
    browser.cookies.clear()
    assert browser.get("/fleet").headers["location"] == "./sign-in?next=fleet"
