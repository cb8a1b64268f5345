"""Closures on the page: the effect is shown before anything is saved, and is what the store's page then has."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg
import pytest

from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.page import form_token
from tests.fixtures.services import Services
from tests.integration.page.conftest import OpenBrowser

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
ID = 'a/"<b>0042</b>'
PLACE = {"store_id": ID, "week": "2024-10-28", "policy": "classic"}
DRAFT = {
    "starts": "2024-10-30T12:00:00",
    "ends": "2024-10-30T18:00:00",
    "treatment": "exclude",
    "reason": "force_majeure",
    "note": "<i>flood</i>",
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    polls = [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(400)]
    load_fleet(
        env["UPTILL_DATABASE_URL"], {ID: Store(polls, "America/New_York", DAYTIME), "other": Store(polls)}
    )
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set labels = '{\"region\": \"north\"}' where store_id = 'other'")


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def new(browser: httpx2.Client, **query: str) -> Any:
    return browser.get(f"/closures/new?{urlencode({**PLACE, **query})}")


def send(browser: httpx2.Client, action: str, **fields: str) -> Any:
    token = form_token(browser.get("/stores").text)
    return browser.post("/closures", data={"form_token": token, **PLACE, **DRAFT, **fields, "action": action})


def store_page(browser: httpx2.Client) -> str:
    return browser.get("/stores/a%2F%22%3Cb%3E0042%3C%2Fb%3E?week=2024-10-28").text


def count_closures(services: Services) -> int:
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        return int(conn.execute("select count(*) from closure where until_seq is null").fetchall()[0][0])


def test_the_form_has_the_stretch_in_local_time(browser: httpx2.Client) -> None:
    begin = int(datetime(2024, 10, 30, 16, 0, 0, 500_000, tzinfo=UTC).timestamp() * 1e6)
    page = new(browser, begin=str(begin), end=str(begin + 3_600_000_000)).text
    assert 'name="starts" type="datetime-local" step="1" required value="2024-10-30T12:00:00"' in page
    assert 'name="ends" type="datetime-local" step="1" value="2024-10-30T13:00:01"' in page
    assert "local time of America/New_York" in page
    assert "<b>0042" not in page


def test_the_effect_is_shown_and_then_true(browser: httpx2.Client, services: Services) -> None:
    tried = text_of(send(browser, "try").text)
    assert count_closures(services) == 0
    found = re.search(r"Available (\S+ %) (\S+ %)", tried)
    assert found is not None
    excluded = re.search(r"Excluded 0 s (6 h 00 min)", tried)
    assert excluded is not None
    assert found[1] in text_of(store_page(browser))
    saved = send(browser, "save")
    assert saved.status_code == 303
    assert saved.headers["location"] == "./stores/a%2F%22%3Cb%3E0042%3C%2Fb%3E?policy=classic&week=2024-10-28"
    page = store_page(browser)
    assert found[2] in text_of(page)
    assert "excluded 6 h 00 min" in text_of(page)
    assert "<i>flood" not in page
    assert "&lt;i&gt;flood" in page


def test_a_closure_is_withdrawn_after_its_effect_is_seen(browser: httpx2.Client, services: Services) -> None:
    before = text_of(store_page(browser))
    send(browser, "save")
    (link,) = re.findall(r'href="\.\./(closures/[0-9a-f-]{36}\?[^"]+)"', new(browser).text)
    shown = browser.get("/" + unescape(link)).text
    assert re.search(r"Excluded 6 h 00 min 0 s", text_of(shown))
    path = link.partition("?")[0]
    answer = browser.post(f"/{path}/withdraw", data={"form_token": form_token(shown), **PLACE})
    assert answer.status_code == 303
    assert count_closures(services) == 0
    assert text_of(store_page(browser)) == before
    again = browser.post(f"/{path}/withdraw", data={"form_token": form_token(shown), **PLACE})
    assert again.status_code == 404


def test_a_withdrawn_closure_is_shown_and_declared_again(browser: httpx2.Client, services: Services) -> None:
    send(browser, "save")
    declared = text_of(store_page(browser))
    (link,) = re.findall(r'href="\.\./(closures/[0-9a-f-]{36})\?', new(browser).text)
    assert "Withdrawn closures" not in text_of(new(browser).text)
    shown = new(browser).text
    browser.post(f"/{link}/withdraw", data={"form_token": form_token(shown), **PLACE})
    page = text_of(new(browser).text)
    assert re.search(
        r"Withdrawn closures of this store .* withdrawn 20\d\d-\d\d-\d\d \d\d:\d\d\S* UTC by [0-9a-z]{8}",
        page,
    )
    answer = browser.post(f"/{link}/restore", data={"form_token": form_token(shown), **PLACE})
    assert answer.status_code == 303
    assert count_closures(services) == 1
    # The last change of the closure is another one now.
    before, after = (page.partition("Declared by")[0] for page in (declared, text_of(store_page(browser))))
    assert before == after


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"starts": "yesterday"}, "is not a date with a time"),
        ({"ends": "2024-10-29T00:00"}, "ends_at"),
        ({"treatment": "<b>"}, "treatment"),
        ({"reason": "x" * 101}, "reason"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(
    browser: httpx2.Client, services: Services, fields: dict[str, str], words: str
) -> None:
    answer = send(browser, "save", **fields)
    assert answer.status_code == 422
    fault = re.search(r'class="fault" role="alert">([^<]*)<', answer.text)
    assert fault is not None
    assert words in unescape(fault[1])
    assert 'value="force_majeure"' in answer.text or "reason" in fields
    assert count_closures(services) == 0


def test_the_same_start_twice_is_said(browser: httpx2.Client, services: Services) -> None:
    send(browser, "save")
    answer = send(browser, "save", note="another")
    assert answer.status_code == 422
    assert "already" in answer.text
    assert count_closures(services) == 1


def test_scope_labels_and_token_hold(open_browser: OpenBrowser, services: Services) -> None:
    reader = open_browser(["reports:read"])
    assert "closures/new" not in store_page(reader)
    assert new(reader).status_code == 403
    assert send(reader, "save").status_code == 403
    send(open_browser(["reports:read", "closures:write"]), "save")
    assert "Declared by the key person, 20" in text_of(store_page(reader))
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        conn.execute('update store set labels = \'{"region": "south"}\' where store_id = %s', [ID])
    owner = text_of(store_page(open_browser(["reports:read"], region="south")))
    assert "For this store. <i>flood</i>" in owner
    assert "Declared by" not in owner
    limited = open_browser(["reports:read", "closures:write"], region="north")
    assert new(limited).status_code == 404
    assert send(limited, "save").status_code == 404
    writer = open_browser(["reports:read", "closures:write"])
    assert writer.post("/closures", data={**PLACE, **DRAFT, "action": "save"}).status_code == 403
    assert count_closures(services) == 1


def test_policies_are_compared(browser: httpx2.Client) -> None:
    page = browser.get("/policies/a%2F%22%3Cb%3E0042%3C%2Fb%3E?week=2024-10-28&policy=hold").text
    words = text_of(page)
    assert "Changes are against hold" in words
    assert "Where they differ" in words
    assert "<b>0042" not in page
    assert browser.get("/policies/none").status_code == 404
