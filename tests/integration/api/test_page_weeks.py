"""A week has one set of figures: those of a report, on the store's page, in its picture and under every policy."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.worker.context import WorkerContext
from shared.pictures.words import length
from shared.settings import Settings
from shared.uptime.policy import POLICIES, history_us, later_us
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.logins import with_login
from tests.fixtures.page import sign_in

# In the week of Monday 2 November.
NEWEST = datetime(2026, 11, 3, 12, tzinfo=UTC)
WEEKS = {
    "2026-W45": "2026-11-02",
    "2026-W44": "2026-10-26",
    "2026-W43": "2026-10-19",
    "2026-W40": "2026-09-28",
    "2026-W30": "2026-07-20",
}
MIDNIGHTS = [datetime(2026, 9, 28, tzinfo=UTC) + timedelta(weeks=number) for number in range(1, 6)]
LATE = [(day, 18 * 3600, 2 * 3600) for day in range(7)]
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
)
_HOUR_US = 3_600_000_000
# The share of a week as a whole has parts of a minute.
_EXACT = [name for name in POLICIES if name != "hold-scaled"]


def random_polls(seed: int, count: int) -> list[tuple[datetime, bool]]:
    """Polls at even minutes, so that halfway between two of them is a whole one: now dense, now days apart."""
    random = Random(seed)
    minutes = random.sample(range(0, 60 * 24 * 45, 2), count)
    return [(NEWEST - timedelta(minutes=each), random.random() < 0.6) for each in minutes]


def around_midnights(zone: str) -> list[tuple[datetime, bool]]:
    """Polls an hour and more before and after the ends of weeks: what is down there, the later poll says."""
    local = [each.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for each in MIDNIGHTS]
    hours = ((-10, True), (1, False), (5, True))
    return [(each + timedelta(hours=at), active) for each in local for at, active in hours]


FLEET = {
    # The store of the sentence: down from Sunday 19:30 on, which the poll after midnight says.
    "w1": Store(
        [
            (datetime(2026, 10, 31, 1, tzinfo=UTC), True),
            (datetime(2026, 11, 1, 14, tzinfo=UTC), True),
            (datetime(2026, 11, 2, 1, tzinfo=UTC), False),
            (datetime(2026, 11, 2, 5, tzinfo=UTC), True),
            (datetime(2026, 11, 3, 5, tzinfo=UTC), True),
        ],
        "UTC",
    ),
    **{f"always {zone}": Store(around_midnights(zone), zone) for zone in ZONES},
    **{f"late {zone}": Store(random_polls(number, 400), zone, LATE) for number, zone in enumerate(ZONES)},
    **{f"rare {zone}": Store(random_polls(number, 40), zone) for number, zone in enumerate(ZONES, 50)},
    "stopped": Store([(datetime(2026, 10, 25, 20, tzinfo=UTC), False)], "America/Chicago"),
    "newest": Store([(NEWEST, True)], None),
    "long": Store([(NEWEST - timedelta(hours=12 * number), False) for number in range(203)], "UTC"),
}


@pytest.fixture(autouse=True)
def _fleet(env: dict[str, str]) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], FLEET)


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    headers = {"X-API-Key": settings.api_key.get_secret_value()}
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers=headers, follow_redirects=False) as client:
        sign_in(client, settings.api_key.get_secret_value())
        yield client


def report(client: TestClient, worker: WorkerContext, **more: Any) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of a report about the weeks by store."""
    asked = {
        "windows": [f"week_of:{week}" for week in WEEKS],
        "as_of": NEWEST.isoformat(),
        "detail": True,
        **more,
    }
    answer = client.post("/v1/reports", json=asked)
    assert answer.status_code == 202, answer.text
    report_id = answer.json()["id"]
    work(worker, report_id)
    with worker.pool.connection() as conn:
        ((key,),) = conn.execute(
            "select object from report_file where kind = 'report' and format = 'csv' and report_id = %s",
            [report_id],
        ).fetchall()
    rows = csv.DictReader(io.StringIO(content_of(worker.storage, key).decode()))
    return {row["store_id"]: row for row in rows}


def figures_of(row: Mapping[str, str], week: str) -> list[int]:
    """Return up, down and unknown of a report's week in microseconds: whole minutes."""
    names = [f"{name}_week_of_{week.replace('-', '_').lower()}" for name in ("uptime", "downtime", "unknown")]
    return [round(float(row[name]) * 60) * 60_000_000 for name in names]


def open_page(browser: TestClient, path: str) -> str:
    answer = browser.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text)))


def to_minutes(text: str) -> int:
    """Return the minutes of a length that the page writes. All lengths here are whole minutes."""
    found = re.fullmatch(r"(?:(\d+) h )?(?:(\d+) min)?(?: ?00 s|0 s)?", text)
    assert found is not None, text
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def test_the_week_shown_is_that_of_the_report(browser: TestClient, worker: WorkerContext) -> None:
    rows = report(browser, worker)
    wrong = []
    for store, row in rows.items():
        for week, monday in WEEKS.items():
            up, down, unknown = map(length, figures_of(row, week))
            page = open_page(browser, f"/stores/{store.replace('/', '%2F')}?week={monday}")
            expected = f"up {up} down {down} " + (f"unknown {unknown} " if unknown != "0 s" else "")
            tile = page.partition(" week shown ")[2].partition(" last hour ")[0] + " "
            if expected not in tile:
                wrong.append((store, week, expected, tile))
    assert wrong == []


def test_the_picture_adds_up_to_the_report(browser: TestClient, worker: WorkerContext) -> None:
    for store, row in report(browser, worker).items():
        for week, monday in WEEKS.items():
            _, down_us, _ = figures_of(row, week)
            answer = browser.get(f"/v1/stores/{store.replace('/', '%2F')}/timeline.svg?week={monday}")
            words = re.findall(r'<desc id="words">(.*?)</desc>', answer.text)[0]
            found = sum(map(to_minutes, re.findall(r" up, ([^;.]*) down", words)))
            assert found * 60_000_000 == down_us, (store, week)


def test_every_policy_has_the_figures_of_its_report(browser: TestClient, worker: WorkerContext) -> None:
    wrong = []
    for policy in _EXACT:
        for store, row in report(browser, worker, policy=policy).items():
            for week, monday in WEEKS.items():
                page = open_page(browser, f"/policies/{store.replace('/', '%2F')}?week={monday}&policy=carry")
                up, down, unknown = map(length, figures_of(row, week))
                numbers = page.partition("Change of up")[2].partition("Where they differ")[0]
                line = re.search(rf" {policy} \S+(?: %)? (.*?) (?:\+|\u2212|\u2013)", numbers)
                if line is None or line[1].split() != f"{up} {down} {unknown}".split():
                    wrong.append((store, week, policy, up, down, unknown, line and line[1]))
    assert wrong == []


def test_an_outage_over_the_end_of_the_week_ends_when_it_did(browser: TestClient) -> None:
    page = open_page(browser, "/stores/w1?week=2026-10-26").partition(" Outages ")[2]
    assert (
        "Sun 1 Nov 19:30 Mon 2 Nov 03:00 4 h 30 min"
        " Sun 1 Nov 14:00 → Mon 2 Nov 01:00 Mon 2 Nov 01:00 → Mon 2 Nov 05:00 1" in page
    )
    assert "not over" not in page
    stopped = open_page(browser, "/stores/stopped?week=2026-10-19").partition(" Outages ")[2]
    assert "Sat 24 Oct 15:00 Mon 26 Oct 15:00 33 h 00 min no poll → Sun 25 Oct 15:00" in stopped


def test_an_outage_that_lasts_says_up_to_when_it_was_looked_at(browser: TestClient) -> None:
    found = [
        open_page(browser, f"/stores/long?week={monday}").partition(" Outages ")[2]
        for monday in ("2026-07-20", "2026-09-28", "2026-11-02")
    ]
    assert "Fri 24 Jul 12:00 not over by Sun 20 Sep 2026 00:00 60 h 00 min" in found[0]
    assert all("not over at the newest poll" in each for each in found[1:])


def test_a_poll_of_another_date_has_its_date(browser: TestClient) -> None:
    page = open_page(browser, "/stores/w1?week=2026-11-02")
    assert "Mon 2 Nov 00:00 Mon 2 Nov 03:00 3 h 00 min down inactive poll at 01:00 " in page
    rare = open_page(browser, "/stores/w1?week=2026-10-26")
    assert "down inactive poll at Mon 2 Nov 01:00 " in rare


def test_days_of_another_length_say_so(browser: TestClient) -> None:
    for store, week, hours in (
        ("always Australia%2FLord_Howe", "2026-09-28", "Sun 4 Oct 23.5 hours"),
        ("always America%2FNew_York", "2026-10-26", "Sun 1 Nov 25 hours"),
        ("always Europe%2FBerlin", "2026-10-19", "Sun 25 Oct 25 hours"),
    ):
        page = open_page(browser, f"/stores/{store}?week={week}")
        assert hours in page
        assert len(re.findall(r"\d hours (?!and)", page)) == 1


def test_the_policy_whose_polls_serve_all_needs_the_latest_ones_too() -> None:
    farthest = max(POLICIES.values(), key=history_us)
    assert later_us(farthest) == max(map(later_us, POLICIES.values()))
