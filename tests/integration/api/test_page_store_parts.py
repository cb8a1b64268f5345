"""What the page of a store shows beside its week: periods, hours of the week, where polls came from, and its data."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from services.api.main import create_app
from services.api.use_cases import timeline
from services.api.use_cases.stores import StoreRow
from services.api.use_cases.timeline import TimelineInput
from services.api.web.periods import compare_periods
from services.ingest.run import ingest_paths
from shared.clock import to_us
from shared.keys import create_key
from shared.pictures.words import length, share
from shared.settings import Settings
from shared.uptime.states import Polls
from shared.uptime.store_terms import HoursVersion, StoreTerms
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in

NOW = datetime(2024, 11, 13, 18, tzinfo=UTC)  # a Wednesday
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
POLLS = [(NOW - timedelta(minutes=61 * n), n % 5 != 0) for n in range(1200)]
PERIODS = {
    "Wed 13 Nov 2024": ("2024-11-13T00:00:00-05:00", "2024-11-13T18:00:00Z"),
    "Week of Mon 11 Nov 2024": ("2024-11-11T00:00:00-05:00", "2024-11-13T18:00:00Z"),
    "November 2024": ("2024-11-01T00:00:00-04:00", "2024-11-13T18:00:00Z"),
}
BEFORE = {
    "Wed 13 Nov 2024": ("2024-11-12T00:00:00-05:00", "2024-11-13T00:00:00-05:00"),
    "Week of Mon 11 Nov 2024": ("2024-11-04T00:00:00-05:00", "2024-11-11T00:00:00-05:00"),
    "November 2024": ("2024-10-01T00:00:00-04:00", "2024-11-01T00:00:00-04:00"),
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    fleet = {
        "0042": Store(POLLS, "America/New_York", DAYTIME),
        # At 02:00 and 05:00 local time, which is 07:00 and 10:00 UTC since 3 November.
        "night": Store(
            [(NOW.replace(day=day, hour=hour, minute=0), True) for day in range(4, 14) for hour in (7, 10)],
            "America/New_York",
            DAYTIME,
        ),
        "messy": Store(POLLS[:3], "America/New_York", [(0, 9 * 3600, 17 * 3600), (0, 12 * 3600, 13 * 3600)]),
    }
    load_fleet(env["UPTILL_DATABASE_URL"], fleet)


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    """A browser that signed in with a key for everything."""
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def totals(browser: TestClient, settings: Settings, window: tuple[str, str], as_of: str) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    asked = {"from": window[0], "to": window[1], "as_of": as_of}
    answer = browser.get("/v1/stores/0042/timeline", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()["totals"]
    return found


def section(page: str, title: str) -> str:
    return page.partition(f'aria-labelledby="{title}"')[2].partition("</section>")[0]


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def test_periods_are_those_of_the_timeline(browser: TestClient, settings: Settings) -> None:
    page = browser.get("/stores/0042").text
    rows = {row[0]: row for row in cells(section(page, "periods-title"))[1:]}
    assert rows.keys() == PERIODS.keys()
    for name, row in rows.items():
        now, before = (
            totals(browser, settings, windows[name], "2024-11-13T18:00:00Z") for windows in (PERIODS, BEFORE)
        )
        assert row[1:3] == [share(now["up_us"], now["down_us"]), length(now["down_us"])]
        assert row[3].startswith(share(before["up_us"], before["down_us"]))
        assert row[4] == length(before["down_us"])
    # Today is years later, so no period is of today.
    assert rows["Wed 13 Nov 2024"][3].endswith("Tue 12 Nov 2024")
    assert rows["November 2024"][3].endswith("October 2024")
    assert "Up to the newest poll of any store, Wed 13 Nov 2024 13:00" in page
    assert "Tue 12 Nov 13:00 → Wed 13 Nov 13:00" in page, "the last day"


def test_periods_that_hold_today_have_its_words() -> None:
    given = TimelineInput(
        StoreRow(1, "a", None, "UTC", {}, None, None, None),
        "classic",
        to_us(NOW),
        (to_us(NOW) - 86_400_000_000, to_us(NOW)),
        StoreTerms("UTC", [HoursVersion(None, [])]),
        Polls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_)),
        {},
    )

    def named(today: date) -> list[tuple[str, str]]:
        return [(each.now.name, each.before.name) for each in compare_periods(given, ZoneInfo("UTC"), today)]

    assert named(date(2024, 11, 13))[0] == ("today so far", "yesterday")
    assert named(date(2024, 11, 14)) == [
        ("Wed 13 Nov", "Tue 12 Nov"),
        ("this week so far", "last week"),
        ("this month so far", "last month"),
    ]


def test_a_store_that_is_polled_only_while_it_is_closed_says_so(browser: TestClient) -> None:
    page = browser.get("/stores/night").text
    assert (
        "No poll in opening hours, and 6 polls outside them, about 2 a day: check the hours and the zone."
        in page
    )
    assert ">no poll in opening hours</td>" in page
    assert "but never in its opening hours" in browser.get("/checks/night").text
    other = browser.get("/stores/0042").text
    assert "in opening hours, and" not in other
    assert "Nothing looks wrong" in browser.get("/checks/0042").text


def test_hours_of_the_week_add_up_to_four_weeks(browser: TestClient, settings: Settings) -> None:
    page = browser.get("/stores/0042").text
    heat = section(page, "heat-title")
    rows = cells(heat.partition("<table")[2])
    assert [row[0] for row in rows[1:]] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    window = ("2024-10-17T00:00:00-04:00", "2024-11-13T18:00:00Z")
    down_us = totals(browser, settings, window, "2024-11-13T18:00:00Z")["down_us"]
    minutes = sum(int(cell) for row in rows[1:] for cell in row[1:] if cell)
    assert abs(minutes - down_us // 60_000_000) <= 7 * 24, "each hour is cut to whole minutes"
    assert minutes > 1000
    assert all(cell == "" for row in rows[1:] for cell in row[1:11]), "never open before 10:00"
    assert len(re.findall(r'class="h-cell"', heat.partition("</ul>")[2])) == 7 * 12


def test_a_store_with_too_many_polls_keeps_its_week(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MAX_POLLS", 400)
    page = browser.get("/stores/0042")
    assert page.status_code == 200
    assert 'aria-labelledby="week-title"' in page.text
    assert 'aria-labelledby="heat-title"' not in page.text


def origin_of_first_stretch(browser: TestClient, store_id: str, state: str) -> str:
    page = browser.get(f"/stores/{store_id}").text
    link = unescape(re.findall(rf'<a href="\.\./(stores/[^"]*at=\d+)#ledger" aria-label="{state}', page)[0])
    why = (
        browser.get(f"/{link}").text.partition('<div id="ledger"')[2].partition('<details class="table">')[0]
    )
    return re.sub(r"<[^>]*>", "", why)


def test_a_stretch_names_the_import_and_the_lines_of_its_polls(
    browser: TestClient, database_url: str, tmp_path: Path
) -> None:
    polls = [f"new,{'active' if n % 3 else 'inactive'},2024-11-13 {n:02}:00:00 UTC" for n in range(18)]
    (tmp_path / "polls.csv").write_text("\n".join(["store_id,status,timestamp_utc", *polls]) + "\n")
    (done,) = ingest_paths(database_url, [str(tmp_path)])
    why = origin_of_first_stretch(browser, "new", "down")
    assert "polls.csv" in why
    assert "lines 2 to 19" in why
    assert str(done.id) in why
    with psycopg.connect(database_url) as conn:
        conn.execute("update store set labels = %s where store_id = 'new'", [Jsonb({"region": "north"})])
        key = create_key(conn, name="north", scopes=["reports:read"], store_labels={"region": "north"})
    sign_in(browser, key)
    why = origin_of_first_stretch(browser, "new", "down")
    assert "inactive poll" in why
    assert "polls.csv" not in why, "an import holds other stores too"


def test_polls_of_a_forgotten_import_say_so(browser: TestClient) -> None:
    assert "from an import that is no longer known" in origin_of_first_stretch(browser, "0042", "down")


def test_diagnostics_have_a_page_of_their_own(browser: TestClient) -> None:
    assert "Nothing looks wrong" in browser.get("/checks/0042").text
    assert "opening intervals overlap" in browser.get("/checks/messy").text
    assert browser.get("/checks/nobody").status_code == 404


def test_what_comes_next_is_listed(browser: TestClient, database_url: str) -> None:
    day: Any = datetime.now(UTC).date() + timedelta(days=9)
    with psycopg.connect(database_url) as conn:
        (key,) = conn.execute("select store_key from store where store_id = '0042'").fetchall()[0]
        (seq,) = conn.execute(
            "update ledger_head set seq = seq + 1, adjusted_seq = seq + 1 returning seq"
        ).fetchall()[0]
        conn.execute(
            "insert into special_hours (store_key, date, intervals, since_seq) values (%s, %s, %s, %s)",
            [key, day, [36000, 50400], seq],
        )
    coming = section(browser.get("/stores/0042").text, "coming-title")
    assert f"{day:%a} {day.day} {day:%b}" in coming
    assert "10:00 to 14:00" in coming
    assert "No special day and no closure." in section(browser.get("/stores/messy").text, "coming-title")
