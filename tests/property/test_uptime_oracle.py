"""The engine and the oracle agree on any batch of stores, for every policy."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import from_us, to_us
from shared.reports.consistency import data_range
from shared.uptime.policy import POLICIES
from tests.oracle.accounting import DAY_US, EPOCH, HOUR_US, account
from tests.oracle.engine import Store, measured
from tests.property.stores import WINDOWS, batches

CALENDAR: dict[str, int | str] = {
    "previous_day": "previous_day",
    "previous_week": "previous_week",
    "month_to_date": "month_to_date",
    "previous_month": "previous_month",
}
LONG: dict[str, int | str] = {name: name for name in ("previous_quarter", "year_to_date", "previous_year")}
OTHER_LENGTHS: dict[str, int | str] = {"last_6h": 6 * HOUR_US, "last_30d": 30 * DAY_US, "last_1s": 1_000_000}
BEFORE: dict[str, int | str] = {
    f"before:{text}": f"before:{text}"
    for text in ("P7D", "P1D", *CALENDAR, *LONG, "day_of:2024-11-03", "week_of:2024-W44", "month_of:2024-11")
}


PAST: list[dict[str, int | str]] = [{name: name} for name in BEFORE if "year" not in name]


def periods(as_of_us: int) -> st.SearchStrategy[dict[str, int | str]]:
    """A local day, week and month around `as_of`: most have ended by then, some have not begun."""
    today = (EPOCH + timedelta(microseconds=as_of_us)).date()
    days = st.integers(-9, 2).map(lambda ago: today + timedelta(days=ago))
    texts = st.tuples(
        days.map(lambda day: f"day_of:{day}"),
        days.map(lambda day: f"week_of:{day:%G-W%V}"),
        days.map(lambda day: f"month_of:{day:%Y-%m}"),
    )
    return texts.map(lambda some: {text: text for text in some})


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=80, deadline=None)
@given(batch=batches())
def test_engine_is_oracle(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    assert measured(stores, as_of_us, policy, WINDOWS) == [
        account(*store, as_of_us, policy, WINDOWS) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40, deadline=None)
@given(batch=batches())
def test_windows_of_any_length_and_of_the_calendar(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    windows = CALENDAR | OTHER_LENGTHS
    assert measured(stores, as_of_us, policy, windows) == [
        account(*store, as_of_us, policy, windows) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=4, deadline=None)
@given(batch=batches())
def test_quarters_and_years(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    assert measured(stores, as_of_us, policy, LONG) == [
        account(*store, as_of_us, policy, LONG) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=10, deadline=None)
@given(batch=batches())
def test_windows_before_others(policy: str, batch: tuple[list[Store], int]) -> None:
    stores, as_of_us = batch
    assert measured(stores, as_of_us, policy, BEFORE) == [
        account(*store, as_of_us, policy, BEFORE) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), batch=batches())
def test_local_days_weeks_and_months(
    policy: str, data: st.DataObject, batch: tuple[list[Store], int]
) -> None:
    stores, as_of_us = batch
    windows = data.draw(periods(as_of_us))
    assert measured(stores, as_of_us, policy, windows) == [
        account(*store, as_of_us, policy, windows) for store in stores
    ]


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), batch=batches(longest_gap_us=9 * DAY_US))
def test_a_past_period_needs_no_polls_outside_its_range(
    policy: str, data: st.DataObject, batch: tuple[list[Store], int]
) -> None:
    stores, as_of_us = batch
    windows = data.draw(st.one_of(periods(as_of_us), st.sampled_from(PAST)))
    texts = [str(text) for text in windows.values()]
    needed = [to_us(at) for at in data_range(from_us(as_of_us), policy, texts)]

    def read(store: Store) -> Store:
        older = [poll for poll in store.polls if needed[0] <= poll.at_us < needed[1]]
        within = [poll for poll in store.polls if needed[1] <= poll.at_us <= needed[2]]
        return store._replace(polls=[*older[-1:], *within])

    plain = ("open_us", "up_us", "down_us", "unknown_us", "polls")
    whole, read_only = (
        [
            [numbers[name] for name in plain]
            for store in measured(given, as_of_us, policy, windows)
            for numbers in store.values()
        ]
        for given in (stores, [read(store) for store in stores])
    )
    assert read_only == whole
