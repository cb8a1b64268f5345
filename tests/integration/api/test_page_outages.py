"""The page's view of a day's outages: the stores of an evening, as `GET /v1/outages` has them, and who sees which."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.api.web import read_outages
from shared.keys import create_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"
EVENING = datetime(2024, 10, 13, 18, tzinfo=UTC), datetime(2024, 10, 14, tzinfo=UTC)


def polls(*down: tuple[int, int]) -> list[tuple[datetime, bool]]:
    """Polls of each half hour of three days; inactive from one hour of the 13th to another."""
    midnight = datetime(2024, 10, 13, tzinfo=UTC)
    instants = [NOW - timedelta(minutes=30 * n) for n in range(144)]
    return [
        (at, not any(midnight + timedelta(hours=a) <= at < midnight + timedelta(hours=b) for a, b in down))
        for at in instants
    ]


FLEET = {
    "evening": Store(polls((19, 21), (22, 23)), "UTC"),
    "late": Store(polls((23, 30)), "UTC"),
    "morning": Store(polls((8, 10)), "UTC"),
    "up": Store(polls(), "UTC"),
    HOSTILE: Store(polls((20, 21)), "UTC"),
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set labels = '{\"region\": \"north\"}' where store_id = 'evening'")


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def shown(browser: TestClient, query: str) -> list[str]:
    answer = browser.get(f"/outages?{query}")
    assert answer.status_code == 200, answer.text
    assert "<img" not in answer.text
    return re.findall(r'class="id" href="\./stores/([^"?]+)\?', answer.text)


def test_stores_have_their_names(browser: TestClient, settings: Settings) -> None:
    assert "Main Street" not in browser.get("/outages?part=evening").text
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        conn.execute("update store set display_name = 'Main Street' where store_id = 'evening'")
        conn.execute("update store set display_name = %s where store_id = 'late'", [HOSTILE])
    assert "<bdi>Main Street</bdi>" in browser.get("/outages?part=evening").text, (
        "though the outages are kept"
    )
    assert shown(browser, "part=evening")


def test_the_stores_of_an_evening_are_those_of_the_api(browser: TestClient, settings: Settings) -> None:
    page = browser.get("/outages?part=evening").text
    assert "Outages on Sun 13 Oct 2024" in page
    assert "4 of 5 stores" not in page
    assert "3 of 5 stores had downtime" in page
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}", "Accept": "application/json"}
    begin, end = (at.isoformat() for at in EVENING)
    found: Any = browser.get(
        "/v1/outages", params={"from": begin, "to": end, "as_of": NOW.isoformat()}, headers=headers
    )
    down: dict[str, float] = {}
    for each in found.json()["outages"]:
        if each["down_us"]:
            down[each["store_id"]] = down.get(each["store_id"], 0) + each["down_us"]
    ranked = sorted(down, key=lambda store: -down[store])
    assert [unquote(each) for each in shown(browser, "part=evening")] == ranked


def test_parts_of_the_day_and_dates_choose(browser: TestClient) -> None:
    assert shown(browser, "part=morning") == ["morning"]
    assert "No outage" in browser.get("/outages?part=afternoon").text
    assert "late" in shown(browser, "day=2024-10-14&part=night")
    assert len(shown(browser, "part=day")) == 4
    assert "No outage" in browser.get("/outages?day=2024-09-01").text
    for query in ("day=yesterday", "part=noon", "policy=x", "q=north"):
        assert browser.get(f"/outages?{query}").status_code == 422, query


def test_a_store_leads_to_the_reason(browser: TestClient) -> None:
    page = browser.get("/outages?part=morning").text
    (link,) = re.findall(r'href="\./(stores/morning\?[^"#]+)#ledger"', page)
    assert 'class="why down"' in browser.get("/" + link.replace("&amp;", "&")).text


def test_the_picture_has_no_closed_time_and_none_that_counts_as_up(
    browser: TestClient, env: dict[str, str]
) -> None:
    # Open from 08:00 to 20:00 and down from 10:00 on; from 12:00 on a closure counts as up.
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update ledger_head set seq = seq + 1, adjusted_seq = seq + 1")
        conn.execute(
            "insert into business_hours (store_key, day_of_week, opens, closes)"
            " select store_key, day, 28800, 72000 from store, generate_series(0, 6) day where store_id = 'late'"
        )
        conn.execute(
            "update observation set is_active = false where observed_at >= '2024-10-13 10:00Z'"
            " and store_key = (select store_key from store where store_id = 'late')"
        )
        conn.execute(
            "insert into closure (id, store_key, starts_at, ends_at, treatment, reason, since_seq)"
            " select gen_random_uuid(), store_key, '2024-10-13 12:00Z', '2024-10-14 09:00Z', 'as_up', 'x', 1"
            " from store where store_id = 'late'"
        )
    page = browser.get("/outages?part=day").text
    (strip,) = re.findall(r'stores/late\?.*?<td class="strip">(.*?)</td>', page, re.DOTALL)
    places = [
        (float(x), float(width))
        for x, width in re.findall(r'class="s-down" x="([\d.]+)%" width="([\d.]+)%"', strip)
    ]
    assert places == [pytest.approx((100 * 9.75 / 24, 100 * 2.25 / 24), abs=0.01)]
    opens = re.findall(r'class="s-open" x="([\d.]+)%" width="([\d.]+)%"', strip)
    assert sum(float(width) for _, width in opens) == pytest.approx(50, abs=0.01)
    assert "not up again" in strip


def test_a_limited_key_sees_its_stores_only(browser: TestClient, env: dict[str, str]) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    sign_in(browser, key)
    assert shown(browser, "") == ["evening"]
    assert "1 of 1 stores" in browser.get("/outages").text


def test_a_large_fleet_offers_its_labels(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_outages, "MOST_STORES", 3)
    page = browser.get("/outages").text
    assert "more than 3 stores match" in page
    assert shown(browser, "q=region%3Dnorth") == ["evening"]
