"""The first view of the page: counts, exceptions and squares, to whom they are shown, and what it says of old states."""

import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.api.main import create_app
from services.api.use_cases import live_feed
from services.api.web import read_now
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in
from tests.integration.live.live_fleet import STATES, change_polls, load_live_fleet

Refresh = Callable[[], int]


@pytest.fixture
def conn(database_url: str, refresh: Refresh) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        refresh()
        yield conn


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    """A browser that signed in with a key for everything."""
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def view(browser: TestClient, query: str = "") -> str:
    answer = browser.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def counts(page: str) -> dict[str, int]:
    found = re.findall(r'<b>([\d,]+)</b><span class="state (\w+)">', page)
    return {state: int(number.replace(",", "")) for number, state in found}


def rows(page: str) -> list[str]:
    return re.findall(r'class="id" href="[^"]*" title="([^"]*)"', page)


def squares(page: str) -> dict[str, str]:
    """The state of each square, from its word or from that of its group."""
    found = {}
    for usual, links in re.findall(r'class="sqs \w" data-usual="(\w+)">(.*?)</div>', page):
        for path, other, text in re.findall(r"<a href=stores/(\S+?)( class=\w)?>([^<]*)</a>", links):
            found[path] = text.rpartition(" ")[2] if other else usual
    return found


def test_each_store_is_counted_and_has_a_square_and_exceptions_are_listed(
    browser: TestClient, conn: psycopg.Connection
) -> None:
    del conn
    page = view(browser)
    assert counts(page) == dict.fromkeys(STATES.values(), 1) | {"closed": 0, "excluded": 0}
    assert squares(page) == STATES
    assert rows(page) == ["down", "silent", "unseen"]
    assert 'data-events="./now/events?q="' in page
    assert "All is well" in view(browser, "?q=up")


def test_filters_by_label_text_and_state(browser: TestClient, conn: psycopg.Connection) -> None:
    conn.execute("update store set labels = %s where store_id = 'silent'", [Jsonb({"city": "new york"})])
    assert squares(view(browser, "?q=city%3Doslo")) == {"down": "down", "up": "up"}
    assert squares(view(browser, '?q=city%3D"new york"')) == {"silent": "silent"}
    assert squares(view(browser, "?q=SIL")) == {"silent": "silent"}
    page = view(browser, "?state=ended&sort=store_id&q=&by=")
    assert (rows(page), len(squares(page))) == (["ended"], len(STATES))
    assert "No store is closed." in view(browser, "?state=closed")
    empty = view(browser, "?q=nothing")
    assert "No store found" in empty
    assert "All is well" not in empty
    for wrong in ("?state=broken", "?sort=broken", "?by=%0a", "?other=1", "?q=%3Dx"):
        assert browser.get(f"/{wrong}").status_code == 422, wrong


def test_groups_are_those_of_the_label(browser: TestClient, conn: psycopg.Connection) -> None:
    del conn
    names = re.findall(r'role="group" aria-label="(\w+)', view(browser))
    assert names == ["oslo", "rome", "without"]
    page = view(browser, "?by=planet")
    assert re.findall(r'role="group" aria-label="([\w ]+):', page) == ["all stores"]


def test_a_large_fleet_is_shown_as_counts(
    browser: TestClient, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    del conn
    monkeypatch.setattr(read_now, "MOST_SQUARES", 4)
    monkeypatch.setattr("services.api.web.now_view.MOST_SQUARES", 4)
    page = view(browser)
    assert squares(page) == {}
    assert re.findall(r"1 down of 2|<span class=\"quiet num\">1</span>", page) != []
    assert "More than" in page
    assert set(squares(view(browser, "?q=city%3Doslo"))) == {"down", "up"}


def test_pages_of_a_state_hold_each_store_once(
    browser: TestClient, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    del conn
    monkeypatch.setattr(read_now, "_PAGE", 1)
    assert rows(view(browser, "?state=up")) == ["up"]
    assert "Next page" not in view(browser, "?state=up")


def test_a_limited_key_sees_its_stores_only(browser: TestClient, conn: psycopg.Connection) -> None:
    key = create_key(conn, name="oslo", scopes=["reports:read"], store_labels={"city": "oslo"})
    sign_in(browser, key)
    page = view(browser)
    assert squares(page) == {"down": "down", "up": "up"}
    assert sum(counts(page).values()) == 2
    assert "rome" not in page
    assert squares(view(browser, "?q=city%3Drome")) == {}


def test_the_page_says_when_states_are_old_or_not_there(
    browser: TestClient, conn: psycopg.Connection
) -> None:
    conn.execute("update now_batch set refreshed_at = refreshed_at - interval '2 hours'")
    assert "These states are 2 h old" in view(browser)
    conn.execute("delete from report where kind = 'now'")
    page = view(browser)
    assert "No live state" in page
    assert squares(page) == {}


def test_a_stream_says_that_there_is_news_of_the_stores_of_a_search(
    browser: TestClient, conn: psycopg.Connection, refresh: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "NEWS_EVERY_S", 0.02)
    monkeypatch.setattr(live_feed, "LOOK_EVERY_S", 0.0)
    with browser.stream("GET", "/now/events", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: ready"
        change_polls(conn, "up", active=False)
        refresh()
        assert next(line for line in lines if line.startswith("event:")) == "event: news"
        conn.execute("delete from page_session")  # ends the stream
        assert [line for line in lines if line.startswith("event:")] == []


def test_a_page_that_updates_itself_keeps_no_session_alive(
    browser: TestClient, conn: psycopg.Connection
) -> None:
    conn.execute("update page_session set last_used_at = now() - interval '1 hour'")
    browser.get("/", headers={"Uptill-Auto": "1"})
    used = "select now() - last_used_at > interval '59 minutes' from page_session"
    assert conn.execute(used).fetchall() == [(True,)]
    browser.get("/")
    assert conn.execute(used).fetchall() == [(False,)]


def test_hostile_ids_stay_text(browser: TestClient, conn: psycopg.Connection) -> None:
    hostile = "x class=d onmouseover=alert(1)><script>" + "y" * 900
    conn.execute("update store set store_id = %s where store_id = 'down'", [hostile])
    page = view(browser)
    assert "<script>" not in page.replace("<script src=", "")
    (path,) = [path for path, state in squares(page).items() if state == "down"]
    assert re.fullmatch(r"[A-Za-z0-9%._~-]+", path)


def test_the_page_of_a_store_says_what_it_is_now(browser: TestClient, conn: psycopg.Connection) -> None:
    page = browser.get("/stores/down").text
    assert "Down now" in page
    assert "2 inactive polls" in page
    conn.execute("delete from report where kind = 'now'")
    assert "Down now" not in browser.get("/stores/down").text
