"""Outages at the ends of their window: how far back the first is looked for, and where the last one ends."""

from datetime import UTC, date, datetime

import pytest

from tests.oracle.accounting import DAY_US, HOUR_US, SECOND_US, Poll
from tests.oracle.adjusted import TermsStore, engine_outages
from tests.oracle.calendars import Closure, Terms, Version
from tests.oracle.outages import Outage, outages

MONDAY_US = int(datetime(2024, 10, 14, tzinfo=UTC).timestamp()) * SECOND_US
AROUND_THE_CLOCK = Terms([Version(None, [])])


def found(store: TermsStore, as_of_us: int, window: int | str, policy: str = "hold") -> list[Outage]:
    [of_store] = engine_outages([store], as_of_us, policy, window)
    assert of_store == outages(*store, as_of_us, policy, window)
    return of_store


@pytest.mark.parametrize(("shut_us", "is_seen"), [(8 * DAY_US - 1, True), (8 * DAY_US, False)])
def test_an_outage_before_a_long_closure_is_seen_for_eight_days(shut_us: int, *, is_seen: bool) -> None:
    start_us = MONDAY_US - DAY_US
    closure = Closure(start_us - shut_us, start_us, "exclude")
    polls = [Poll(closure.starts_us - HOUR_US, False), Poll(start_us, False)]
    store = TermsStore("UTC", AROUND_THE_CLOCK._replace(closures=[closure]), polls)
    [outage] = found(store, MONDAY_US, DAY_US)
    assert (outage.started_us, outage.starts_before_window) == (start_us, is_seen)


def test_up_time_before_the_window_is_no_outage_before_it() -> None:
    start_us = MONDAY_US - DAY_US
    polls = [Poll(start_us - HOUR_US, True), Poll(start_us, False)]
    [outage] = found(TermsStore("UTC", AROUND_THE_CLOCK, polls), MONDAY_US, DAY_US)
    assert (outage.started_us, outage.starts_before_window) == (start_us, False)


def test_silence_before_the_window_is_down_if_the_policy_says_so() -> None:
    store = TermsStore("UTC", AROUND_THE_CLOCK, [])
    [outage] = found(store, MONDAY_US, DAY_US, "backfill-1m")
    assert (outage.down_us, outage.polls, outage.starts_before_window) == (DAY_US, 0, True)
    assert found(store, MONDAY_US, DAY_US, "classic") == []


def test_an_outage_may_end_after_its_window() -> None:
    """Down from Sunday 22:00 to Monday 03:00, seen on Monday at 06:00: two of the five hours are Sunday's."""
    polls = [
        Poll(MONDAY_US - 3 * HOUR_US, True),
        Poll(MONDAY_US - 2 * HOUR_US, False),
        Poll(MONDAY_US + 2 * HOUR_US, False),
        Poll(MONDAY_US + 3 * HOUR_US, True),
    ]
    store = TermsStore("UTC", AROUND_THE_CLOCK, polls)
    [outage] = found(store, MONDAY_US + 6 * HOUR_US, "previous_day")
    assert (outage.ended_us, outage.end) == (MONDAY_US + 3 * HOUR_US, "up")
    assert (outage.down_us, outage.polls) == (2 * HOUR_US, 2)
    assert outage.first_up_poll_us == MONDAY_US + 3 * HOUR_US


def test_an_outage_that_begins_after_the_window_is_not_of_it() -> None:
    polls = [Poll(MONDAY_US - HOUR_US, True), Poll(MONDAY_US, False)]
    store = TermsStore("UTC", AROUND_THE_CLOCK, polls)
    assert found(store, MONDAY_US + HOUR_US, "previous_day") == []
    [outage] = found(store, MONDAY_US + HOUR_US, DAY_US)
    assert (outage.ended_us, outage.end) == (None, "ongoing")


def test_a_store_that_is_closed_for_good_has_an_outage_that_stays() -> None:
    polls = [Poll(MONDAY_US - 5 * HOUR_US, True), Poll(MONDAY_US - 4 * HOUR_US, False)]
    store = TermsStore("UTC", AROUND_THE_CLOCK._replace(closed_us=MONDAY_US - 3 * HOUR_US), polls)
    [outage] = found(store, MONDAY_US, DAY_US)
    assert (outage.ended_us, outage.end, outage.down_us) == (None, "ongoing", HOUR_US)


def test_no_stores_and_stores_without_polls() -> None:
    assert engine_outages([TermsStore(None, AROUND_THE_CLOCK, [])], MONDAY_US, "classic", DAY_US) == [[]]
    never = Terms([Version(None, [])], {date(2024, 10, 13): []}, closed_us=0)
    assert engine_outages([TermsStore("UTC", never, [])], MONDAY_US, "backfill-1m", DAY_US) == [[]]
