"""Hours with events count by time: each against the slow accounting of that hour."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from shared.insights.hours import count_minutes
from shared.uptime.adjustments import Adjustments
from shared.uptime.batch import StoreHistory
from tests.oracle.accounting import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    HoursRow,
    Parts,
    Poll,
    account_parts,
    in_order,
    open_spans,
    polls_between,
)
from tests.oracle.engine import Store, hours_of, notes_of, polls_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(2024, 10, 22)  # noqa: DTZ001 - local to each store
DAYS = 9


def minutes_of(store: Store) -> list[tuple[int, int, int]]:
    """Up, down and unknown minutes of each hour."""
    history = StoreHistory([store.zone], hours_of([store]), polls_of([store]))
    first_day = (FIRST - datetime(1970, 1, 1)).days  # noqa: DTZ001
    counted = count_minutes(history, first_day, DAYS, adjustments=Adjustments(notes=notes_of([store.polls])))
    return [tuple(hour) for hour in counted[0].T.astype(int).tolist()]


def slow_minutes(store: Store) -> list[tuple[int, int, int] | None]:
    """The same of hours with events and of those between a poll and an event. None: the hour counts by its polls."""
    zone = ZoneInfo(store.zone or "UTC")
    counted = in_order(store.polls, 1 << 62)
    spans = open_spans(store.zone or "UTC", store.hours, counted[0].at_us, counted[-1].at_us)
    inside = [poll for span in spans for poll in polls_between(counted, span.open_us, span.close_us)]
    pairs = [
        (a, b)
        for span in spans
        for some in [polls_between(counted, span.open_us, span.close_us)]
        for a, b in pairwise(some)
        if b.event and b.at_us - a.at_us <= DAY_US
    ]
    found: list[tuple[int, int, int] | None] = []
    for hour in range(DAYS * 24):
        begin_us = (
            int(((FIRST + timedelta(hours=hour)).replace(tzinfo=zone) - EPOCH).total_seconds()) * SECOND_US
        )
        own = [poll for poll in inside if begin_us <= poll.at_us < begin_us + HOUR_US]
        between = any(a.at_us < begin_us and begin_us + HOUR_US <= b.at_us for a, b in pairs)
        bounds = {"hour": (begin_us, begin_us + HOUR_US)}
        sums = account_parts(Parts(spans), counted, counted[-1].at_us, "classic", bounds)["hour"]
        is_timed = any(poll.event for poll in own) or (not own and between)
        up, down, unknown = (round(sums[name] / MINUTE_US) for name in ("up_us", "down_us", "unknown_us"))
        found.append((up, down, unknown) if is_timed and sums["open_us"] else None)
    return found


def at_us(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    local = FIRST + timedelta(days=day, hours=hour, minutes=minute, seconds=second)
    return int((local.replace(tzinfo=UTC) - EPOCH).total_seconds()) * SECOND_US


def test_a_short_pause_is_as_short_as_it_was() -> None:
    looks = [Poll(at_us(1, 9), True), Poll(at_us(1, 9, 30), True), Poll(at_us(1, 10), True)]
    events = [Poll(at_us(1, 9, 5), False, True), Poll(at_us(1, 9, 10), True, True)]
    hours = minutes_of(Store("UTC", [], sorted(looks + events)))
    assert hours[24 + 9] == (55, 5, 0)
    assert minutes_of(Store("UTC", [], [Poll(*poll[:2]) for poll in sorted(looks + events)]))[24 + 9] == (
        45,
        15,
        0,
    )


def test_the_hours_of_a_long_pause_are_down() -> None:
    events = [Poll(at_us(1, 9, 5), False, True), Poll(at_us(1, 12, 20), True, True)]
    hours = minutes_of(Store("UTC", [], events))
    assert hours[24 + 9 : 24 + 13] == [(0, 55, 5), (0, 60, 0), (0, 60, 0), (40, 20, 0)]
    assert hours[24 + 13] == (0, 0, 60), "only the time before an event is known"


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Phoenix"])
@pytest.mark.parametrize("seed", range(4))
def test_hours_with_events_agree_with_the_slow_accounting(zone: str, seed: int) -> None:
    draws = np.random.default_rng(seed)
    instants = sorted(
        {int(s) for s in draws.integers(at_us(-3, 0) // SECOND_US, at_us(DAYS + 4, 0) // SECOND_US, 400)}
    )
    polls = [Poll(s * SECOND_US, bool(draws.random() < 0.6), bool(draws.random() < 0.4)) for s in instants]
    always: list[HoursRow] = []
    hours = always if seed % 2 else [HoursRow(day, 37_800, 3_600) for day in range(7)]
    store = Store(zone, hours, polls)
    compared = 0
    for hour, (counted, slow) in enumerate(zip(minutes_of(store), slow_minutes(store), strict=True)):
        if slow is not None:
            compared += 1
            assert all(abs(a - b) <= 1 for a, b in zip(counted, slow, strict=True)), (hour, counted, slow)
    assert compared > 20
