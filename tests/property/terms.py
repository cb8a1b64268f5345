"""Hypothesis strategies: stores in 40 zones with dated hours, special days, lifetimes and closures, near changes of clocks.

`UPTIME_EXAMPLES` is the number of examples of each test; `make test-uptime` sets it for a long run.
"""

import os
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from tests.oracle.accounting import DAY_US, EPOCH, SECOND_US
from tests.oracle.adjusted import TermsStore
from tests.oracle.calendars import Closure, Terms, Version
from tests.property.stores import durations_us, hours, polls, seconds_of_day

some = settings(max_examples=int(os.environ.get("UPTIME_EXAMPLES", "10")), deadline=None)

ZONES_40 = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/Johannesburg", "Africa/Lagos", "America/Anchorage",
    "America/Asuncion", "America/Bogota", "America/Chicago", "America/Denver", "America/Halifax",
    "America/Havana", "America/Los_Angeles", "America/New_York", "America/Nuuk", "America/Phoenix",
    "America/Santiago", "America/Sao_Paulo", "America/Scoresbysund", "America/St_Johns", "Antarctica/Troll",
    "Asia/Almaty", "Asia/Beirut", "Asia/Dhaka", "Asia/Gaza", "Asia/Jerusalem",
    "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo", "Atlantic/Azores", "Australia/Adelaide",
    "Australia/Lord_Howe", "Australia/Sydney", "Etc/GMT+12", "Europe/Berlin", "Europe/Dublin",
    "Europe/Lisbon", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "UTC",
)  # fmt: skip
WINDOWS: dict[str, int | str] = {
    "last_hour": 3_600 * SECOND_US,
    "last_day": DAY_US,
    "last_week": 7 * DAY_US,
    "previous_day": "previous_day",
    "previous_week": "previous_week",
}
Batch = tuple[list[TermsStore], int]


@cache
def changes_us(zone: str) -> tuple[int, ...]:
    """The instants of 2024 at which the zone's clocks change; noon of a day if they never do."""
    hour_us = 3_600 * SECOND_US
    first_us = (datetime(2024, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    quarters = range(first_us, first_us + 366 * DAY_US, hour_us // 4)
    offsets = [
        (EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone)).utcoffset() for at_us in quarters
    ]
    changed = [
        at for at, before, after in zip(quarters[1:], offsets, offsets[1:], strict=False) if before != after
    ]
    return tuple(changed) or (first_us + 200 * DAY_US + 12 * hour_us,)


def dates(until_us: int) -> st.SearchStrategy[date]:
    today = (EPOCH + timedelta(microseconds=until_us)).date()
    return st.integers(-10, 2).map(lambda days: today + timedelta(days=days))


def instants_us(until_us: int) -> st.SearchStrategy[int]:
    return durations_us(10 * DAY_US).map(lambda before_us: until_us + DAY_US - before_us)


@st.composite
def closures(draw: st.DrawFn, until_us: int) -> Closure:
    starts_us = draw(instants_us(until_us))
    ends_us = draw(
        st.one_of(st.none(), durations_us(3 * DAY_US).map(lambda length_us: starts_us + length_us))
    )
    return Closure(starts_us, ends_us, draw(st.sampled_from(("exclude", "as_up", "ignore"))))


def terms(until_us: int) -> st.SearchStrategy[Terms]:
    first = st.builds(Version, st.one_of(st.none(), dates(until_us)), hours)
    later = st.lists(st.builds(Version, dates(until_us), hours), max_size=2)
    versions = st.builds(lambda one, more: [one, *more], first, later).filter(
        lambda found: len({version.effective_from for version in found}) == len(found)
    )
    intervals = st.lists(st.tuples(seconds_of_day, seconds_of_day), max_size=2)
    return st.builds(
        Terms,
        versions,
        st.dictionaries(dates(until_us), intervals, max_size=3),
        st.one_of(st.none(), instants_us(until_us)),
        st.one_of(st.none(), instants_us(until_us)),
        st.lists(closures(until_us), max_size=3),
    )


def stores(until_us: int, zones: st.SearchStrategy[str | None]) -> st.SearchStrategy[TermsStore]:
    return st.builds(TermsStore, zones, terms(until_us), polls(until_us))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Up to three stores, most in a zone whose clocks change around `as_of`."""
    zone = draw(st.sampled_from(ZONES_40))
    until_us = draw(st.sampled_from(changes_us(zone))) - 2 * DAY_US + draw(durations_us(9 * DAY_US))
    zones = st.one_of(st.just(zone), st.sampled_from((None, *ZONES_40)))
    return draw(st.lists(stores(until_us, zones), min_size=1, max_size=3)), until_us
