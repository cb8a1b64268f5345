"""The effect of a closure is what the report has after it is declared, also over midnights and changes of clocks."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import unescape
from urllib.parse import urlencode

import httpx2
import psycopg
import pytest

from services.worker.context import WorkerContext
from shared.settings import Settings
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work, worker_context
from tests.fixtures.reports import trigger

LATER = Store([(datetime(2026, 11, 3, 5, tzinfo=UTC), True)], "UTC")
FLEET = {
    "w1": Store(
        [
            (datetime(2026, 10, 31, 1, tzinfo=UTC), True),
            (datetime(2026, 11, 1, 14, tzinfo=UTC), True),
            (datetime(2026, 11, 2, 1, tzinfo=UTC), False),
            (datetime(2026, 11, 2, 5, tzinfo=UTC), True),
        ],
        "UTC",
    ),
    "dst1": Store(
        [
            (datetime(2026, 10, 25, hour, minute, tzinfo=UTC), active)
            for hour, minute, active in (
                (0, 10, True),
                (1, 20, True),
                (1, 40, False),
                (1, 50, False),
                (2, 0, True),
            )
        ],
        "Europe/Berlin",
    ),
    "spring": Store(
        [(datetime(2026, 3, 29, hour, tzinfo=UTC), hour != 1) for hour in range(4)], "Europe/Berlin"
    ),
    "later": LATER,
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)


@pytest.fixture
def worker(env: dict[str, str]) -> Iterator[WorkerContext]:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    with worker_context(Settings.model_validate(values)) as worker:
        yield worker


def minutes_of_report(env: Mapping[str, str], worker: WorkerContext, store: str, week: str) -> dict[str, int]:
    """Return the times of a store in a report about a week, in minutes."""
    made = trigger(env["UPTILL_DATABASE_URL"], detail=True, windows=[f"week_of:{week}"])
    work(worker, str(made.report_id))
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        ((key,),) = conn.execute(
            "select object from report_file where kind = 'report' and report_id = %s", [made.report_id]
        ).fetchall()
    rows = csv.DictReader(io.StringIO(content_of(worker.storage, key).decode()))
    (row,) = (each for each in rows if each["store_id"] == store)
    end = f"_week_of_{week.replace('-', '_').lower()}"
    names = {"Up": "uptime", "Down": "downtime", "Unknown": "unknown", "Excluded": "excluded"}
    return {name: round(float(row[column + end]) * 60) for name, column in names.items()}


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def to_minutes(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+) h )?(?:(\d+) min)?(?: 00 s)?|0 s", text)
    assert found is not None, text
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def effect_of(page: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the minutes of the effect's table, now and then."""
    cells = re.findall(
        r'<tr><th scope="row">(\w+)</th><td class="num">(.*?)</td><td class="num">(.*?)</td>', page
    )
    plain = [
        [re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells if row[0] not in ("Available", "Open")
    ]
    assert len(plain) == 4, text_of(page)
    now, then = ({row[0]: to_minutes(row[column]) for row in plain} for column in (1, 2))
    return now, then


def fields_of(page: str) -> dict[str, str]:
    """Return what a browser would send of the form: the times, and the chosen offsets."""
    fields = dict(
        re.findall(r'name="(starts|ends|week|policy|store_id|form_token)"[^>]* value="([^"]*)"', page)
    )
    for name, options in re.findall(r'<select [^>]*name="(\w+)">(.*?)</select>', page):
        found = re.findall(r'value="([^"]*)" selected', options)
        fields[name] = found[0] if found else re.findall(r'value="([^"]*)"', options)[0]
    return {**fields, "treatment": "exclude", "reason": "other", "note": ""}


def check_effect(
    browser: httpx2.Client, env: Mapping[str, str], worker: WorkerContext, fields: dict[str, str], week: str
) -> tuple[dict[str, int], dict[str, int]]:
    """See the effect, which must be the report's before the closure, and after it is declared. Return both."""
    tried = browser.post("/closures", data={**fields, "action": "try"})
    assert tried.status_code == 200, text_of(tried.text)
    now, then = effect_of(tried.text)
    assert now == minutes_of_report(env, worker, fields["store_id"], week)
    saved = browser.post("/closures", data={**fields_of(tried.text), "action": "save"})
    assert saved.status_code == 303, text_of(saved.text)
    assert then == minutes_of_report(env, worker, fields["store_id"], week)
    return now, then


def typed(browser: httpx2.Client, store: str, day: str, starts: str, ends: str) -> dict[str, str]:
    """Return the form of a closure whose times someone typed."""
    page = browser.get(f"/closures/new?{urlencode({'store_id': store, 'week': day})}").text
    return {**fields_of(page), "starts": f"{day}T{starts}", "ends": f"{day}T{ends}"}


def test_a_closure_at_the_end_of_a_week_has_its_effect(
    browser: httpx2.Client, env: dict[str, str], worker: WorkerContext
) -> None:
    fields = typed(browser, "w1", "2026-11-01", "19:30", "23:59:59")
    fields["ends"] = "2026-11-02T00:00"
    now, then = check_effect(browser, env, worker, fields, "2026-W44")
    assert (now["Down"], then["Down"], then["Excluded"]) == (270, 0, 270)


def test_the_stretch_after_clocks_went_back_stays_that_stretch(
    browser: httpx2.Client, env: dict[str, str], worker: WorkerContext
) -> None:
    store = browser.get("/stores/dst1?week=2026-10-25").text
    assert "Sun 25 Oct 02:30+01:00 Sun 25 Oct 02:55+01:00 25 min" in text_of(store)
    (stretch,) = re.findall(
        r'href="\.\./(stores/dst1\?[^"]*at=\d+)#ledger" aria-label="down, ([^"]*)"', store
    )
    assert stretch[1] == "02:30+01:00 to 02:55+01:00"
    (link,) = re.findall(
        r'href="\.\./(closures/new\?[^"]*begin=[^"]*)"', browser.get("/" + unescape(stretch[0])).text
    )
    page = browser.get("/" + unescape(link)).text
    assert "first, UTC+02:00" in page
    fields = fields_of(page)
    assert (fields["starts_offset"], fields["ends_offset"]) == ("+01:00", "+01:00")
    tried = text_of(browser.post("/closures", data={**fields, "action": "try"}).text)
    assert "Sun 25 Oct 2026 02:30+01:00 → Sun 25 Oct 2026 02:55+01:00 25 min" in tried
    now, then = check_effect(browser, env, worker, fields, "2026-W43")
    assert (now["Down"], then["Down"], then["Excluded"]) == (25, 0, 25)
    assert now["Up"] == then["Up"]


def test_the_first_of_two_times_is_taken_unless_the_second_is_chosen(
    browser: httpx2.Client, env: dict[str, str], worker: WorkerContext
) -> None:
    fields = typed(browser, "dst1", "2026-10-25", "02:30", "03:00")
    _, then = effect_of(browser.post("/closures", data={**fields, "action": "try"}).text)
    assert then["Excluded"] == 90
    _, then = check_effect(browser, env, worker, {**fields, "starts_offset": "+01:00"}, "2026-W43")
    assert then["Excluded"] == 30


def test_a_time_that_clocks_skip_is_the_first_after_the_jump(
    browser: httpx2.Client, env: dict[str, str], worker: WorkerContext
) -> None:
    fields = typed(browser, "spring", "2026-03-29", "02:30", "03:15")
    tried = text_of(browser.post("/closures", data={**fields, "action": "try"}).text)
    assert "2026-03-29 02:30:00 does not exist in Europe/Berlin" in tried
    assert "Sun 29 Mar 2026 03:00 → Sun 29 Mar 2026 03:15 15 min" in tried
    _, then = effect_of(
        browser.post("/closures", data={**fields, "ends": "2026-03-29T04:00", "action": "try"}).text
    )
    assert then["Excluded"] == 60
    _, then = check_effect(browser, env, worker, fields, "2026-W13")
    assert then["Excluded"] == 15
