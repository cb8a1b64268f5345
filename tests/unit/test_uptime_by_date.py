"""Which hours hold on which date, for several stores at once."""

import tracemalloc
from datetime import date

from shared.uptime.adjustments import adjusted_schedule
from tests.oracle.accounting import DAY_US, HOUR_US, SECOND_US, HoursRow
from tests.oracle.adjusted import TermsStore, inputs_of
from tests.oracle.calendars import Terms, Version
from tests.unit.test_uptime_calendar import LO_US

MONDAY = date(2024, 10, 7)
TUESDAY = date(2024, 10, 8)


def open_hours(*terms: Terms, days: int = 3) -> list[tuple[int, float, float]]:
    """(store, open, close), in hours after the Monday."""
    stores = [TermsStore("UTC", of_store, []) for of_store in terms]
    hours, adjustments = inputs_of(stores)
    spans = adjusted_schedule(
        ["UTC"] * len(stores), hours, adjustments, LO_US, LO_US + days * DAY_US
    ).measured
    return [
        (store, (open_us - LO_US) / HOUR_US, (close_us - LO_US) / HOUR_US)
        for store, open_us, close_us in zip(
            spans.store.tolist(), spans.open_us.tolist(), spans.close_us.tolist(), strict=True
        )
    ]


def daily(opens: int, closes: int) -> list[HoursRow]:
    return [HoursRow(day, opens * 3600, closes * 3600) for day in range(7)]


def test_the_earliest_version_of_each_store_reaches_back_for_that_store_only() -> None:
    first = Terms([Version(None, daily(1, 2)), Version(MONDAY, daily(3, 4))])
    second = Terms([Version(TUESDAY, daily(5, 6))])
    third = Terms([Version(date(2030, 1, 1), daily(7, 8)), Version(TUESDAY, daily(9, 10))])
    assert open_hours(first, second, third, days=1) == [
        (0, 3, 4), (1, 5, 6), (2, 9, 10)
    ]  # fmt: skip


def test_stores_with_and_without_versions_stay_in_order() -> None:
    weekly, dated = Terms([Version(None, daily(10, 22))]), Terms([Version(TUESDAY, daily(12, 20))])
    closed = weekly._replace(special={MONDAY: []})
    found = open_hours(weekly, dated, weekly, closed, dated, days=1)
    assert found == [(0, 10, 22), (1, 12, 20), (2, 10, 22), (4, 12, 20)]


def test_a_special_day_leaves_the_night_before_alone() -> None:
    night = Terms([Version(None, daily(22, 3))], {TUESDAY: [(10 * 3600, 12 * 3600)]})
    assert open_hours(night, days=2) == [(0, -2, 3), (0, 22, 27), (0, 34, 36)]


def test_in_the_east_the_date_is_a_day_ahead() -> None:
    """At 20:00 UTC on Monday it is Tuesday 10:00 in Kiritimati."""
    store = TermsStore("Pacific/Kiritimati", Terms([Version(TUESDAY, daily(9, 12))], {MONDAY: []}), [])
    hours, adjustments = inputs_of([store])
    spans = adjusted_schedule([store.zone], hours, adjustments, LO_US, LO_US + 20 * HOUR_US).measured
    assert ((spans.open_us - LO_US) // HOUR_US).tolist() == [19]


def test_rows_that_overlap_are_not_expanded_date_by_date() -> None:
    rows = [HoursRow(day, second, second + 3) for day in range(7) for second in range(3000)]
    store = TermsStore("UTC", Terms([Version(MONDAY, rows)]), [])
    hours, adjustments = inputs_of([store])
    tracemalloc.start()
    try:
        schedule = adjusted_schedule([store.zone], hours, adjustments, LO_US, LO_US + 366 * DAY_US)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set((schedule.measured.close_us - schedule.measured.open_us).tolist()) == {3002 * SECOND_US}
    assert peak_bytes < 100 * adjustments.dated_hours.opens_s.nbytes
