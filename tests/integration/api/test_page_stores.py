"""The page's views of stores: what they show, to whom, and that text which others chose stays text."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from shared.keys import create_key
from shared.pictures.words import length
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in

NOW = datetime(2024, 11, 4, 18, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600 + 30) for day in range(7)]
POLLS = [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(900)]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "a/b c?d#e & 100%",
    "\u05e9\u05dc\u05d5\u05dd 42",
    "x" * 1024,
]
FLEET = {
    "0042": Store(POLLS, "America/New_York", DAYTIME),
    "silent": Store(timezone="Europe/Berlin"),
    **{store_id: Store([(NOW - timedelta(hours=3), True)]) for store_id in HOSTILE},
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        labels = {"region": "north", "owner": "\u202e<b>evil</b>"}
        conn.execute("update store set labels = %s where store_id = '0042'", [json.dumps(labels)])


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    """A browser that signed in with a key for everything."""
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


@pytest.fixture
def limited(browser: TestClient, env: dict[str, str]) -> TestClient:
    """The same browser, with a key for the stores of one region."""
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    sign_in(browser, key)
    return browser


def at(store_id: str) -> str:
    return f"/stores/{quote(store_id, safe='')}"


def shown_ids(page: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'class="id" href="[^"]*" title="([^"]*)"', page)]


def test_the_list_shows_every_store_and_finds_parts_of_ids_and_labels(browser: TestClient) -> None:
    assert set(shown_ids(browser.get("/stores").text)) == set(FLEET)
    assert shown_ids(browser.get("/stores", params={"q": "SILE"}).text) == ["silent"]
    assert shown_ids(browser.get("/stores", params={"q": "region=north"}).text) == ["0042"]
    assert shown_ids(browser.get("/stores", params={"q": "7 region=north"}).text) == []
    assert shown_ids(browser.get("/stores", params={"q": "%"}).text) == ["a/b c?d#e & 100%"]
    assert "No store found" in browser.get("/stores", params={"q": "nothing"}).text
    assert browser.get("/stores", params={"q": "a=b=c d="}).status_code == 422
    assert browser.get("/stores", params={"z": "1"}).status_code == 422


def test_pages_of_the_list_follow_each_other(browser: TestClient, env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], {f"many-{n:03}": Store() for n in range(60)})
    first = browser.get("/stores", params={"q": "many"}).text
    assert shown_ids(first) == [f"many-{n:03}" for n in range(50)]
    (link,) = re.findall(r'href="\./(stores\?q=many&amp;cursor=[^"]+)">Next page', first)
    assert shown_ids(browser.get(f"/{unescape(link)}").text) == [f"many-{n:03}" for n in range(50, 60)]


@pytest.mark.parametrize("store_id", HOSTILE, ids=range(len(HOSTILE)))
def test_an_id_is_text_wherever_it_stands(browser: TestClient, store_id: str) -> None:
    page = browser.get(at(store_id))
    for answer in (
        browser.get("/stores"),
        page,
        browser.get(at(f"{store_id[:900]}?")),
        browser.get("/stores", params={"q": store_id}),
    ):
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
    assert page.status_code == 200, page.text
    (heading,) = re.findall(r'<h1 class="id" title="([^"]*)"><bdi>(.*)</bdi></h1>', page.text)
    assert [unescape(text) for text in heading] == [store_id, store_id]


def test_an_unknown_zone_costs_only_what_needs_it(
    browser: TestClient, env: dict[str, str], settings: Settings
) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set timezone = 'Mars/Base' where store_id = '0042'")
    for path in ("/", "/stores", "/outages", "/insights"):
        assert browser.get(path).status_code == 200, path
    key = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    for path in (
        at("0042"), "/policies/0042", "/closures/new?store_id=0042",
        "/v1/stores/0042/timeline.svg", "/v1/stores/0042/badge.svg", "/v1/stores/0042/policies",
    ):  # fmt: skip
        answer = browser.get(path, headers=key if path.startswith("/v1") else {})
        assert (answer.status_code, "Mars/Base" in answer.text) == (409, True), path


def test_labels_cannot_reverse_the_page(browser: TestClient) -> None:
    page = browser.get(at("0042")).text
    assert "\u202e" not in page
    assert "owner=\\u202e&lt;b&gt;evil" in page


def test_the_week_shows_what_the_timeline_has(browser: TestClient, settings: Settings) -> None:
    page = browser.get(at("0042"), params={"week": "2024-10-30"}).text
    assert "Week of Mon 28 Oct 2024" in page
    api = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    window = {"from": "2024-10-28T04:00:00Z", "to": "2024-11-04T05:00:00Z"}
    timeline = browser.get("/v1/stores/0042/timeline", params=window, headers=api).json()
    outages = browser.get("/v1/stores/0042/outages", params=window, headers=api).json()["outages"]
    down_h, down_min = divmod(timeline["totals"]["down_us"] // 60_000_000, 60)
    assert f"<dd>{down_h} h {down_min:02} min</dd>" in page
    assert f'Outages <span class="count">{len(outages)}</span>' in page
    assert len(outages) > 3
    assert "25 hours" in page, "the clocks change on the Sunday of that week"
    assert page.count('class="day"') == 7
    assert "<summary>The week as a table" in page


def test_the_numbers_are_those_of_the_windows_up_to_the_newest_poll(
    browser: TestClient, settings: Settings
) -> None:
    page = browser.get(at("0042")).text
    api = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    for window in ("last_hour", "last_day", "last_week"):
        totals = browser.get("/v1/stores/0042/timeline", params={"window": window}, headers=api).json()[
            "totals"
        ]
        tile = page.partition(f"<h2>{window.replace('_', ' ')}</h2>")[2].partition("</dl>")[0]
        assert re.findall(r"<dd>(.*?)</dd>", tile)[:2] == [length(totals["up_us"]), length(totals["down_us"])]


def test_a_stretch_leads_to_its_reason(browser: TestClient) -> None:
    page = browser.get(at("0042"), params={"week": "2024-10-30"}).text
    link = unescape(re.findall(r'<a href="\.\./(stores/0042\?[^"]*at=\d+)#ledger" aria-label="down', page)[1])
    reason = browser.get(f"/{link}").text
    assert 'class="why down"' in reason
    assert "inactive poll at" in reason
    assert "begins halfway from the last poll" in reason


def test_a_store_without_polls_has_a_page(browser: TestClient) -> None:
    page = browser.get(at("silent"))
    assert page.status_code == 200
    assert "never polled" in page.text
    assert "Europe/Berlin" in page.text


@pytest.mark.parametrize(
    "query",
    [
        {"week": "1969-01-01"},
        {"week": "2100-01-01"},
        {"week": "<b>"},
        {"policy": "<b>"},
        {"at": "x"},
        {"at": str(1 << 60)},
        {"unknown": "1"},
    ],
)
def test_a_wrong_parameter_gets_an_error_page(browser: TestClient, query: dict[str, str]) -> None:
    page = browser.get(at("0042"), params=query)
    assert page.status_code == 422
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>" not in page.text


def test_every_week_has_a_page(browser: TestClient) -> None:
    for week in ("1970-01-05", "2024-10-01", "2030-01-01", "2099-12-31"):
        assert browser.get(at("0042"), params={"week": week}).status_code == 200


def test_a_limited_key_sees_its_stores_only(limited: TestClient) -> None:
    assert shown_ids(limited.get("/stores").text) == ["0042"]
    assert limited.get(at("0042")).status_code == 200
    page = limited.get(at("silent"))
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Store not found" in page.text


def test_private_pages_are_not_kept_framed_or_sniffed(browser: TestClient) -> None:
    for path in ("/stores", at("0042"), "/sign-in", at("missing"), "/nothing"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_hold_no_inline_script_or_style_and_nothing_of_other_hosts(browser: TestClient) -> None:
    for path in ("/stores?q=0042", at("0042"), "/sign-in", at("missing")):
        page = browser.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|<script(?! src=)", page)
        assert not re.search(r'(?:src|href|action)="(?:[a-z]+:|//)', page)


def test_files_are_kept_for_a_year_by_their_fingerprint(browser: TestClient) -> None:
    browser.cookies.clear()
    page = browser.get("/sign-in").text
    found = re.findall(r'(?:src|href)="\./(assets/[0-9a-f]{16}/[a-z.]+)"', page)
    assert len(found) == 4
    for path in found:
        answer = browser.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        plain = browser.get(f"/{path}", headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content
        assert "content-encoding" not in plain.headers
    sizes = [int(browser.get(f"/{path}").headers["content-length"]) for path in found]
    assert sum(sizes) < 40_000, "the first view stays small"
    for path in ("assets/0000000000000000/uptill.css", f"{found[0].rsplit('/', 1)[0]}/nothing.css"):
        assert browser.get(f"/{path}").status_code == 404


def test_an_unknown_path_is_a_page_for_people_and_a_problem_for_programs(browser: TestClient) -> None:
    assert "<h1>Nothing exists at this path</h1>" in browser.get("/nothing").text
    answer = browser.get("/nothing", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert browser.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_the_week_shows_the_reasons_of_downtime(browser: TestClient, env: dict[str, str]) -> None:
    start = NOW - timedelta(hours=6)
    polls = [(start + timedelta(hours=n), n not in (2, 3)) for n in range(6)]
    load_fleet(env["UPTILL_DATABASE_URL"], {"paused": Store(polls, "UTC")})
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute(
            "insert into poll_note (store_key, observed_at, since_seq, code)"
            " select store_key, %s, 1, 4 * 4 from store where store_id = 'paused'",
            [start + timedelta(hours=2)],
        )
    page = browser.get(at("paused")).text
    assert "<span>busy <b" in page
    assert "<span>no reason given <b" in page
    assert re.search(r"<title>down, [^<]* to [^<]*, busy</title>", page)
    assert "inactive poll at 14:00 (busy)" in page
    assert 'data-label="Reasons">busy</td>' in page
