"""The risk of the next open hour beside the stores that are listed: from what, and when there is none."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.api.main import create_app
from shared.insights.terms import COMING_DAYS, RATE_UNIT
from shared.settings import Settings
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in
from tests.integration.live.live_fleet import load_live_fleet

# A store that is down was expected to be up: half of the surprise is left after an hour.
RATE, MEMORY = 0.2, 0.5
SCORES = {"skill": {"store_mean": {"value": 0.23, "low": 0.2, "high": 0.26}}, "memory": MEMORY}


@pytest.fixture
def conn(database_url: str, refresh: Callable[[], int]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        refresh()
        yield conn


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def conclude(conn: psycopg.Connection, *, is_on: bool = True, age: timedelta = timedelta(0)) -> None:
    """Store what a run would have concluded for every store but one."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    conn.execute(
        "insert into insight_skill (method, run_id, as_of, is_on, reason, hours, scores)"
        " values ('risk_1h', gen_random_uuid(), %s, %s, %s, 9, %s)",
        [datetime.now(UTC) - age, is_on, None if is_on else "it is not proven", Jsonb(SCORES)],
    )
    conn.execute(
        "insert into store_hours (store_key, last_day, seq, made_by, minutes, coming)"
        " select store_key, %s, 1, 'x', %s, %s from store where store_id <> 'unseen'",
        [yesterday, bytes(3 * 1344), b"\x3c" * (COMING_DAYS * 24)],
    )
    conn.execute(
        "insert into store_risk (store_key, run_id, rates, last_down, last_rate, group_rate, store_rate,"
        " expected_hours, driver) select store_key, gen_random_uuid(), %s, 0, %s, 0.2, 0.2, 1, 'store' from store_hours",
        [round(RATE * RATE_UNIT).to_bytes(2, "big") * 168, RATE],
    )


def risks(page: str) -> dict[str, str]:
    """What the column says of each store that is listed."""
    found = {}
    for row in page.split("<tr>")[1:]:
        store = re.search(r'class="id" href="[^"]*" title="([^"]*)"', row)
        cell = re.search(r'<td class="mid num risk">(.*?)</td>', row, re.DOTALL)
        if store and cell:
            found[store[1]] = re.sub(r"<[^>]*>", "", cell[1]).strip()
    return found


def test_the_risk_follows_from_the_state_and_says_its_skill(
    browser: TestClient, conn: psycopg.Connection
) -> None:
    conclude(conn)
    page = browser.get("/").text
    assert risks(page) == {"down": "60 %"}, "0.2 and half of the distance from 0.2 to 1"
    (title,) = re.findall(r'<span title="(Down in [^"]*)"', page)
    assert re.fullmatch(
        r"Down in the open hour from \w{3} \d\d:00: 60 %\. On: its error is 23 % smaller than that of the"
        r" store's mean \(90 % interval: 20 % to 26 %\)\.",
        unescape(title),
    )
    assert risks(browser.get("/?state=up").text) == {"up": "10 %"}
    assert "risk" not in browser.get("/?state=unknown").text, "of no store that is listed"


def test_nothing_is_shown_while_the_method_is_off(browser: TestClient, conn: psycopg.Connection) -> None:
    conclude(conn, is_on=False)
    assert ">Risk<" not in browser.get("/").text


def test_nothing_is_shown_of_an_old_run(browser: TestClient, conn: psycopg.Connection) -> None:
    conclude(conn, age=timedelta(days=2, minutes=1))
    assert ">Risk<" not in browser.get("/").text


def test_a_store_that_does_not_open_again_has_no_risk(browser: TestClient, conn: psycopg.Connection) -> None:
    conclude(conn)
    conn.execute("update store_hours set coming = %s", [bytes(COMING_DAYS * 24)])
    assert ">Risk<" not in browser.get("/").text


def test_many_labels_are_counted(browser: TestClient, conn: psycopg.Connection) -> None:
    labels = {f"name{n}": "<b>" for n in range(5)}
    conn.execute("update store set labels = %s where store_id = 'down'", [Jsonb(labels)])
    page = browser.get("/").text
    assert len(re.findall(r'class="chip( roomy)?"', page)) == 3
    chips = page.partition('class="chips"')[2].partition("</td>")[0]
    assert re.findall(r"\+(\d)<", chips) == ["4", "2"], "with little room, and with much"
    assert "name4=&lt;b&gt;" in chips
    assert "<b>" not in chips


def test_the_label_of_the_groups_comes_first(browser: TestClient, conn: psycopg.Connection) -> None:
    conn.execute('update store set labels = \'{"a": "1", "zone": "2"}\' where store_id = \'down\'')
    for by, first in (("a", "a=1"), ("zone", "zone=2")):
        page = browser.get(f"/?by={by}").text
        assert re.findall(r'class="chip" [^>]*title="([^"]*)"', page) == [first]
