"""The fleet's hours of the week on the page: the sums of the stores that the viewer may see, and when they change."""

import re
from collections.abc import Iterator
from html import unescape

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in
from tests.integration.insights.insight_fleet import FLEET, STORES, run_insights

_ROW = re.compile(r'<tr><th scope="row">(\w{3})</th>(.*?)</tr>')


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def grid(browser: TestClient, query: str = "") -> tuple[int, dict[str, list[str]]]:
    """How many stores are added up, and the cells of each weekday."""
    page = browser.get(f"/fleet{query}").text
    (stores,) = re.findall(r"(\d+) stores?, the eight weeks up to Sat 12 Oct 2024", page)
    table = page.partition('class="heat-table"')[2].partition("</table>")[0]
    return int(stores), {day: re.findall(r"<td[^>]*>(.*?)</td>", cells) for day, cells in _ROW.findall(table)}


def expected(conn: psycopg.Connection, where: str = "true") -> dict[str, list[str]]:
    """The percent down of each hour, from the stored hours of the chosen stores, one at a time."""
    rows = conn.execute(
        f"select last_day, minutes from store_hours join store using (store_key) where {where}"
    ).fetchall()
    up, down = np.zeros((2, 7, 24))
    for _, ring in rows:
        for place, minutes in enumerate(ring[:1344]):
            up[divmod(place % 168, 24)] += minutes
        for place, minutes in enumerate(ring[1344:2688]):
            down[divmod(place % 168, 24)] += minutes
    known = up + down
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return {
        name: [f"{100 * down[day, hour] / known[day, hour]:.1f}" if known[day, hour] else "" for hour in range(24)]
        for day, name in enumerate(days)
    }  # fmt: skip


def test_without_a_run_the_page_says_what_to_do(browser: TestClient, conn: psycopg.Connection) -> None:
    del conn
    page = unescape(re.sub(r"<[^>]*>", "", browser.get("/fleet").text))
    assert "UPTILL_INSIGHTS=true" in page
    assert "uptill insights run" in page
    assert 'class="heat-table"' not in page


def test_the_hours_are_the_sums_of_the_chosen_stores(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    assert grid(browser) == (STORES, expected(conn))
    assert grid(browser, "?q=region%3Dnorth") == (10, expected(conn, 'labels @> \'{"region": "north"}\''))
    sunday, monday = (grid(browser, "?q=region%3Dnorth")[1][day] for day in ("Sun", "Mon"))
    assert float(sunday[10]) > float(monday[10]), "one of ten stores is late on Sundays"
    assert sunday[3] == "", "no store is open"
    assert 'class="heat-table"' not in browser.get("/fleet?q=region%3Dnowhere").text


def test_a_changed_label_and_another_run_are_seen_at_once(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    before = grid(browser, "?q=region%3Dnorth")
    conn.execute("update store set labels = '{\"region\": \"south\"}' where store_id = 'late'")
    after = grid(browser, "?q=region%3Dnorth")
    assert (before[0], after[0]) == (10, 9)
    assert after[1]["Sun"][10] != before[1]["Sun"][10]
    conn.execute("update store_hours set minutes = overlay(minutes placing '\\xff'::bytea from 1)")
    assert grid(browser, "?q=region%3Dnorth") == after, "until another run has concluded"
    conn.execute("update insight_skill set run_id = gen_random_uuid()")
    assert grid(browser, "?q=region%3Dnorth") != after


def test_a_limited_key_sees_the_hours_of_its_stores(
    browser: TestClient, api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    run_insights(api, worker)
    assert grid(browser)[0] == len(FLEET)
    key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    browser.cookies.clear()
    sign_in(browser, key)
    assert grid(browser) == (10, expected(conn, 'labels @> \'{"region": "north"}\''))
    assert "heat-table" not in browser.get("/fleet?q=region%3Dsouth").text
