"""Which polls of a timeline count as taken outside opening hours: none under a closure, and none beyond the window."""

from datetime import UTC, datetime

import numpy as np

from shared.uptime.closures import Treatment
from shared.uptime.policy import HOUR_US, POLICIES
from shared.uptime.states import Polls
from shared.uptime.store_terms import HoursVersion, StoreClosure, StoreTerms
from shared.uptime.timeline import StoreTimeline, timeline_of

MONDAY_US = int(datetime(2024, 10, 14, tzinfo=UTC).timestamp()) * 1_000_000
WINDOW_US = MONDAY_US, MONDAY_US + 24 * HOUR_US
OPEN = [(day, 10 * 3600, 20 * 3600) for day in range(7)]


def seen(*hours: float, closures: list[StoreClosure] | None = None) -> StoreTimeline:
    at_us = np.array([MONDAY_US + int(hour * HOUR_US) for hour in hours], dtype=np.int64)
    polls = Polls(np.zeros(len(at_us), np.int64), at_us, np.ones(len(at_us), np.bool_))
    terms = StoreTerms("UTC", [HoursVersion(None, OPEN)], closures=closures or [])
    return timeline_of(terms, polls, WINDOW_US[1], WINDOW_US, POLICIES["classic"])


def test_polls_before_the_opening_and_from_the_closing_on_are_outside() -> None:
    found = seen(-1, 9.9, 10, 19.9, 20, 23)
    assert found.count_outside(WINDOW_US) == 3
    assert found.has_counted


def test_polls_under_a_closure_are_not_outside() -> None:
    closure = StoreClosure("c", MONDAY_US + 12 * HOUR_US, MONDAY_US + 14 * HOUR_US, Treatment.EXCLUDE)
    found = seen(13, 21, closures=[closure])
    assert found.count_outside(WINDOW_US) == 1
    assert not found.has_counted
