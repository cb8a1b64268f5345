"""Hours to spans: seams, unions, endless stores, and the range that must not show."""

import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest

from shared.uptime.calendar import Hours, spans_of
from tests.oracle.accounting import DAY_US, SECOND_US, HoursRow
from tests.oracle.engine import Store, hours_of

LO_US = int(datetime(2024, 10, 7, tzinfo=UTC).timestamp()) * SECOND_US  # a Monday
HI_US = LO_US + 7 * DAY_US


def spans(*stores: Store, lo_us: int = LO_US, hi_us: int = HI_US) -> list[tuple[int, float, float]]:
    """(store, open, close), in hours after the Monday."""
    found = spans_of([store.zone for store in stores], hours_of(stores), lo_us, hi_us)
    return [
        (store, (open_us - LO_US) / 3600 / SECOND_US, (close_us - LO_US) / 3600 / SECOND_US)
        for store, open_us, close_us in zip(
            found.store.tolist(), found.open_us.tolist(), found.close_us.tolist(), strict=True
        )
    ]


def at(*rows: tuple[int, float, float], zone: str | None = "UTC") -> Store:
    """A store with rows of (day of week, opening hour, closing hour)."""
    return Store(
        zone, [HoursRow(day, round(opens * 3600), round(closes * 3600)) for day, opens, closes in rows], []
    )


@pytest.mark.parametrize("close", [0.0, 86_340 / 3600, 86_399 / 3600])
def test_every_spelling_of_the_end_of_day_meets_the_next_midnight(close: float) -> None:
    assert spans(at((1, 18, close), (2, 0, 1))) == [(0, 42.0, 49.0)]


def test_a_second_earlier_is_a_real_closing() -> None:
    assert len(spans(at((1, 18, 86_398 / 3600), (2, 0, 1)))) == 2


def test_unions_overlaps_nests_and_touches() -> None:
    assert spans(at((1, 8, 20), (1, 9, 10), (1, 19, 21), (1, 21, 22), (1, 22.5, 23))) == [
        (0, 32.0, 46.0),
        (0, 46.5, 47.0),
    ]


def test_overnight_from_sunday_reaches_into_the_range() -> None:
    assert spans(at((6, 22, 3))) == [(0, -2.0, 3.0), (0, 166.0, 171.0)]


def test_a_whole_day_that_opened_two_dates_before_the_range_reaches_into_it() -> None:
    assert spans(at((5, 23.5, 23.5), zone="Etc/GMT+12")) == [(0, -12.5, 11.5), (0, 155.5, 179.5)]


def test_what_lies_in_the_skipped_hour_vanishes_and_a_break_in_it_joins() -> None:
    new_york_forward = {
        "lo_us": LO_US - 211 * DAY_US,
        "hi_us": LO_US - 211 * DAY_US + DAY_US,
    }  # Sunday 10 March
    assert spans(at((6, 2.25, 2.75), zone="America/New_York"), **new_york_forward) == []
    [(_, open_hour, close_hour)] = spans(
        at((6, 1, 2), (6, 3, 4), zone="America/New_York"), **new_york_forward
    )
    assert close_hour - open_hour == 2


def test_a_closing_days_after_the_range_knows_of_a_change_of_clocks() -> None:
    thursday_us = LO_US + 24 * DAY_US  # 31 October; the clocks go back on Sunday 3 November
    store = at(*((day, 0, 0) for day in (0, 2, 3, 4, 5, 6)), zone="America/New_York")
    [(_, open_hour, close_hour)] = spans(store, lo_us=thursday_us, hi_us=thursday_us)
    assert (open_hour - 23 * 24, close_hour - 29 * 24) == (4, 5)


def test_stores_are_apart_and_in_order() -> None:
    assert spans(at((2, 5, 6)), at((1, 5, 6), zone="Asia/Kathmandu"), at((1, 5, 6), zone=None)) == [
        (0, 53.0, 54.0),
        (1, 23.25, 24.25),
        (2, 34.0, 35.0),
    ]


@pytest.mark.parametrize(
    "store",
    [
        at(),
        at(*((day, 0, 86_399 / 3600) for day in range(7))),
        at(*((day, 9, 9) for day in range(7)), zone="Pacific/Chatham"),
    ],
    ids=["no hours", "seven whole days", "seven times 24 hours"],
)
def test_an_endless_store_is_one_span_over_any_range(store: Store) -> None:
    for hi_us in (LO_US, HI_US, LO_US + 400 * DAY_US):
        [(_, open_hour, close_hour)] = spans(store, hi_us=hi_us)
        assert open_hour <= -10
        assert close_hour >= (hi_us - LO_US) / 3600 / SECOND_US + 10


def test_hours_of_one_day_leave_the_others_closed() -> None:
    assert spans(at((3, 10, 22))) == [(0, 82.0, 94.0)]


def test_a_span_at_the_edge_of_the_range_is_whole() -> None:
    store = at((1, 8, 20))
    for instant_hour in (32, 40):
        instant_us = LO_US + instant_hour * 3600 * SECOND_US
        assert spans(store, lo_us=instant_us, hi_us=instant_us) == [(0, 32.0, 44.0)]
    closing_us = LO_US + 44 * 3600 * SECOND_US
    assert spans(store, lo_us=closing_us, hi_us=closing_us) == []


def test_no_stores() -> None:
    assert spans() == []


def test_what_was_computed_before_depends_on_zones_hours_and_dates() -> None:
    store = at((1, 8, 20), zone="America/Chicago")
    before = spans(store)
    assert spans(store) == before
    assert spans(store._replace(zone="America/Denver")) != before
    assert spans(at((1, 8, 20.5), zone="America/Chicago")) != before
    assert len(spans(store, lo_us=LO_US - 7 * DAY_US)) == 2


def test_what_was_asked_before_has_the_same_answer() -> None:
    stores = [at((1, 8, closes), zone=zone) for closes in range(9, 19) for zone in ("Asia/Kathmandu", None)]
    for lo_us in (LO_US, LO_US - 366 * DAY_US):
        first = [spans(store, lo_us=lo_us) for store in stores]
        assert [spans(store, lo_us=lo_us) for store in stores] == first
        assert len({tuple(of_store) for of_store in first}) == len(stores)


def test_a_store_with_many_rows_that_overlap_takes_no_more_memory_than_its_hours() -> None:
    per_day = 20_000
    opens_s, day = np.tile(np.arange(per_day), 7), np.repeat(np.arange(7), per_day)
    rows = Hours(np.zeros_like(day), day, opens_s, opens_s + 3)
    tracemalloc.start()
    try:
        found = spans_of(["UTC"], rows, LO_US, LO_US + 366 * DAY_US, keep=False)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set((found.close_us - found.open_us).tolist()) == {(per_day + 2) * SECOND_US}
    assert peak_bytes < 100 * rows.opens_s.nbytes
