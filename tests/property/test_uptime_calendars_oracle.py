"""Engine and oracle agree on dated hours, special days, lifetimes, closures and outages, in 40 zones."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.policy import POLICIES
from tests.oracle.accounting import DAY_US, EPOCH, HOUR_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore, engine_outages, inputs_of, measured_terms
from tests.oracle.calendars import Closure, Terms, Version, account_terms, parts_of
from tests.oracle.outages import outages
from tests.property.stores import durations_us
from tests.property.terms import WINDOWS, ZONES_40, Batch, batches, changes_us, some

TEN_TO_TEN = [HoursRow(day, 36_000, 79_200) for day in range(7)]


@pytest.mark.parametrize("policy", POLICIES)
@some
@given(batch=batches())
def test_engine_is_oracle(policy: str, batch: Batch) -> None:
    stores, as_of_us = batch
    assert measured_terms(stores, as_of_us, policy, WINDOWS) == [
        account_terms(*store, as_of_us, policy, WINDOWS) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@some
@given(batch=batches(), window=st.sampled_from(sorted(WINDOWS)))
def test_outages_are_the_oracles(policy: str, batch: Batch, window: str) -> None:
    stores, as_of_us = batch
    assert engine_outages(stores, as_of_us, policy, WINDOWS[window]) == [
        outages(*store, as_of_us, policy, WINDOWS[window]) for store in stores
    ]


@some
@given(batch=batches(), length_us=durations_us(30 * DAY_US))
def test_the_schedule_is_the_oracles_in_any_range(batch: Batch, length_us: int) -> None:
    """Spans may be cut at least ten hours outside the range, as those of weekly hours."""
    stores, hi_us = batch
    lo_us = hi_us - length_us
    edges_us = lo_us - 10 * HOUR_US, hi_us + 10 * HOUR_US
    schedule = adjusted_schedule([store.zone for store in stores], *inputs_of(stores), lo_us, hi_us)
    for number, store in enumerate(stores):
        parts = parts_of(store.zone or "America/Chicago", store.terms, lo_us, hi_us)
        for found, expected in (
            (schedule.measured, parts.measured),
            (schedule.excluded, parts.excluded),
            (schedule.as_up, parts.as_up),
        ):
            mine = np.flatnonzero(found.store == number)
            spans = zip(found.open_us[mine].tolist(), found.close_us[mine].tolist(), strict=True)
            assert within(spans, *edges_us) == within(expected, *edges_us)


def within(spans: Iterable[tuple[int, int]], lo_us: int, hi_us: int) -> list[tuple[int, int]]:
    """The spans that touch the range, cut to ten hours around it."""
    return [
        (max(open_us, lo_us), min(close_us, hi_us))
        for open_us, close_us in spans
        if close_us > lo_us + 10 * HOUR_US and open_us <= hi_us - 10 * HOUR_US
    ]


@pytest.mark.parametrize("zone", ZONES_40)
def test_the_night_of_a_change_of_clocks(zone: str) -> None:
    for change_us in changes_us(zone):
        as_of_us = change_us + 2 * DAY_US
        day = (EPOCH + timedelta(microseconds=change_us)).astimezone(ZoneInfo(zone)).date()
        polls = [Poll(as_of_us - hours * HOUR_US - 7, hours % 5 > 1) for hours in range(80)]
        night = Closure(change_us - HOUR_US // 2, change_us + HOUR_US // 2, "exclude")
        stores = [
            TermsStore(zone, terms, polls)
            for terms in (
                Terms([Version(None, TEN_TO_TEN)], {day: [(1_800, 3 * 3_600)]}),
                Terms(
                    [Version(None, TEN_TO_TEN)], {day - timedelta(days=1): [(20 * 3_600, 3 * 3_600)], day: []}
                ),
                Terms([Version(None, []), Version(day, TEN_TO_TEN)]),
                Terms([Version(None, TEN_TO_TEN), Version(day, [])], {day + timedelta(days=1): []}),
                Terms([Version(None, [])], closures=[night]),
                Terms([Version(None, [])], opened_us=change_us, closed_us=change_us + DAY_US),
            )
        ]
        assert measured_terms(stores, as_of_us, "classic", WINDOWS) == [
            account_terms(*store, as_of_us, "classic", WINDOWS) for store in stores
        ]
        assert engine_outages(stores, as_of_us, "classic", 7 * DAY_US) == [
            outages(*store, as_of_us, "classic", 7 * DAY_US) for store in stores
        ]


def test_the_zones_are_40_and_most_change_their_clocks() -> None:
    in_2024 = datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6
    assert len(set(ZONES_40)) == 40
    assert sum(len(changes_us(zone)) >= 2 for zone in ZONES_40) >= 25
    assert all(change_us > in_2024 for zone in ZONES_40 for change_us in changes_us(zone))
