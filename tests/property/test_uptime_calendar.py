"""The spans of any hours in any zone are the oracle's, whatever the range they are asked for."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.uptime.calendar import spans_of
from tests.oracle.accounting import DAY_US, HOUR_US, HoursRow, open_spans
from tests.oracle.engine import Store, hours_of
from tests.property.stores import ZONES, as_of_us, durations_us, hours

MARGIN_US = 10 * HOUR_US


@settings(max_examples=200, deadline=None)
@given(zone=ZONES, rows=hours, lo_us=as_of_us(), length_us=durations_us(30 * DAY_US))
def test_spans_are_the_oracles(zone: str | None, rows: list[HoursRow], lo_us: int, length_us: int) -> None:
    first_us, last_us = lo_us - MARGIN_US, lo_us + length_us + MARGIN_US
    spans = spans_of([zone], hours_of([Store(zone, rows, [])]), lo_us, lo_us + length_us)
    found = list(zip(spans.open_us.tolist(), spans.close_us.tolist(), strict=True))
    expected = [
        (max(span.open_us, first_us), min(span.close_us, last_us))
        for span in open_spans(zone or "America/Chicago", rows, lo_us, lo_us + length_us)
        if span.close_us > lo_us and span.open_us <= lo_us + length_us
    ]
    assert [(max(open_us, first_us), min(close_us, last_us)) for open_us, close_us in found] == expected
    assert all(closed_us < open_us for (_, closed_us), (open_us, _) in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(hours, max_size=4),
    zones=st.lists(ZONES, min_size=4, max_size=4),
    lo_us=as_of_us(),
    earlier_us=durations_us(30 * DAY_US),
)
def test_a_longer_range_shows_the_same_spans(
    rows: list[list[HoursRow]], zones: list[str | None], lo_us: int, earlier_us: int
) -> None:
    batch = hours_of([Store(zone, store_rows, []) for zone, store_rows in zip(zones, rows, strict=False)])
    short = spans_of(zones, batch, lo_us, lo_us + DAY_US)
    long = spans_of(zones, batch, lo_us - earlier_us, lo_us + DAY_US + earlier_us)
    touching = (long.close_us > lo_us) & (long.open_us <= lo_us + DAY_US)
    assert long.store[touching].tolist() == short.store.tolist()
    edges_us = lo_us - MARGIN_US, lo_us + DAY_US + MARGIN_US
    for seen_us, all_us in ((short.open_us, long.open_us), (short.close_us, long.close_us)):
        assert seen_us.clip(*edges_us).tolist() == all_us[touching].clip(*edges_us).tolist()
