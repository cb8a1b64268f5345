"""Calendars by name become special days of stores: the store's own date first, then the first calendar by name."""

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.uptime.dates import SpecialDays
from shared.uptime.resolve import resolved_days
from tests.oracle.adjusted import EPOCH_DAY, columns, special_days_of
from tests.oracle.calendars import Terms, inherited

Days = dict[date, list[tuple[int, int]]]

days = st.integers(0, 6).map(lambda number: date(2024, 12, 22) + timedelta(days=number))
hours = st.tuples(st.integers(0, 86_399), st.integers(0, 86_399))
special = st.dictionaries(days, st.lists(hours, max_size=2), max_size=4)


def special_of(stores: list[Days]) -> SpecialDays:
    return special_days_of([Terms([], given) for given in stores])


def by_store(resolved: SpecialDays, stores: int) -> list[Days]:
    found: list[Days] = [{} for _ in range(stores)]
    dates = [
        (store, date.fromordinal(EPOCH_DAY + day))
        for store, day in zip(resolved.store.tolist(), resolved.day.tolist(), strict=True)
    ]
    assert len(set(dates)) == len(dates)
    for store, day in dates:
        found[store][day] = []
    rows = (resolved.date.tolist(), resolved.opens_s.tolist(), resolved.closes_s.tolist())
    for number, opens_s, closes_s in zip(*rows, strict=True):
        store, day = dates[number]
        found[store][day].append((opens_s, closes_s))
    return found


@settings(max_examples=50, deadline=None)
@given(
    own=st.lists(special, max_size=3),
    calendars=st.dictionaries(st.sampled_from(("de", "us", "us-holidays", "z")), special, max_size=3),
    data=st.data(),
)
def test_it_is_the_oracles(own: list[Days], calendars: dict[str, Days], data: st.DataObject) -> None:
    names = sorted(calendars)
    pairs = [(store, number) for store in range(len(own)) for number in range(len(names))]
    members = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    store, calendar = columns(members, 2)
    resolved = resolved_days(
        special_of(own), special_of([calendars[name] for name in names]), store, calendar
    )
    assert by_store(resolved, len(own)) == [
        inherited(given, {names[c]: calendars[names[c]] for s, c in members if s == number})
        for number, given in enumerate(own)
    ]


def test_a_holiday_of_two_calendars_and_a_day_of_the_store() -> None:
    christmas, eve = date(2024, 12, 25), date(2024, 12, 24)
    own = special_of([{eve: [(36_000, 50_400)]}, {}])
    calendars = special_of([{christmas: []}, {christmas: [(1, 2)], eve: []}])
    resolved = resolved_days(own, calendars, np.array([0, 0, 1]), np.array([1, 0, 1]))
    assert by_store(resolved, 2) == [
        {eve: [(36_000, 50_400)], christmas: []},
        {eve: [], christmas: [(1, 2)]},
    ]
