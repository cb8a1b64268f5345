"""How the page and the command write lengths and instants, and since when a store has been silent."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.api.use_cases.live import LiveStore
from services.api.web.now_line import NowLine
from services.api.web.words import ago, near_moment, passed
from services.cli.now import make_row
from shared.pictures.words import NO_VALUE
from uptill_client import StoreNow

NOW = datetime(2026, 12, 1, 9, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=40), "40 s"),
        (timedelta(minutes=12, seconds=59), "12 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(minutes=111), "1 h 51 min"),
        (timedelta(hours=4, minutes=2), "4 h 02 min"),
        (timedelta(hours=47, minutes=59), "47 h 59 min"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=3, hours=4), "3 days 4 h"),
        (timedelta(days=27, hours=4), "27 days"),
        (timedelta(seconds=-1), "0 s"),
    ],
)
def test_a_length_has_two_units(span: timedelta, text: str) -> None:
    assert passed(span) == text
    assert ago(NOW - span, NOW) == text


def test_an_instant_has_the_date_and_the_year_that_are_not_those_beside_it() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert near_moment(NOW - timedelta(hours=1), zone, NOW) == "09:12"
    assert near_moment(NOW - timedelta(days=3), zone, NOW) == "Sat 28 Nov 10:12"
    assert near_moment(NOW - timedelta(days=400), zone, NOW) == "Mon 27 Oct 2025 10:12"


def live(**seen: Any) -> LiveStore:
    given: dict[str, Any] = dict.fromkeys(LiveStore.__dataclass_fields__)
    counted = {"down_us": 0, "up_us": 0, "down_open_us": 0, "inactive_polls": 0, "labels": {}}
    return LiveStore(**{**given, **counted, "store_id": "a", "timezone": "UTC", **seen})


def test_a_silence_out_of_view_has_its_last_poll() -> None:
    polled_at = NOW - timedelta(days=28)
    line = NowLine(live(state="silent", last_poll_at=polled_at), NOW, ZoneInfo("UTC"))
    assert (line.lasts, line.since) == ("over a week", "last poll Tue 3 Nov 09:12")
    assert (line.polled) == "28 days ago"
    never = NowLine(live(state="unknown"), NOW, ZoneInfo("UTC"))
    assert (never.lasts, never.since) == (NO_VALUE, "")


def test_a_silence_in_view_has_its_begin() -> None:
    since = NOW - timedelta(minutes=282)
    line = NowLine(
        live(state="silent", since_earliest=since, since_latest=since, last_poll_at=since),
        NOW,
        ZoneInfo("UTC"),
    )
    assert (line.lasts, line.since) == ("4 h 42 min", "since 04:30")


@pytest.mark.parametrize(("state", "cell"), [("silent", "over a week ago"), ("unknown", "-")])
def test_the_command_says_the_same(state: str, cell: str) -> None:
    given: dict[str, Any] = dict.fromkeys(StoreNow.__dataclass_fields__)
    seen = {"store_id": "a", "state": state, "timezone": "UTC", "refreshed_at": NOW, "up_us": 0, "down_us": 0}
    assert make_row(StoreNow(**{**given, **seen}))[2] == cell
