"""Hypothesis strategies: stores whose zones, hours and polls are hard in the ways real ones are, and harder."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.oracle.accounting import DAY_US, HOUR_US, MINUTE_US, SECOND_US, HoursRow, Poll
from tests.oracle.engine import Store

WINDOWS = {"last_hour": HOUR_US, "last_day": DAY_US, "last_week": 7 * DAY_US}

FIXED_ZONES = ("UTC", "Asia/Kathmandu", "America/Phoenix", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kolkata")
CHANGING_ZONES = (
    "America/New_York",
    "America/Anchorage",
    "America/St_Johns",
    "America/Havana",  # the gap and the fold begin at midnight
    "America/Scoresbysund",
    "Africa/Casablanca",
    "Antarctica/Troll",  # two hours at once
    "Asia/Beirut",  # the gap begins at midnight
    "Australia/Lord_Howe",  # half an hour
    "Europe/Dublin",
    "Pacific/Chatham",
)
ZONES = st.sampled_from((None, *FIXED_ZONES, *CHANGING_ZONES))

CHANGES = [
    int(datetime(2024, *month_to_minute, tzinfo=UTC).timestamp()) * SECOND_US
    for month_to_minute in (
        (3, 10, 2, 0),  # Casablanca back
        (3, 10, 5, 0),  # Havana forward
        (3, 10, 7, 0),  # New York forward
        (3, 10, 11, 0),  # Anchorage forward
        (3, 30, 22, 0),  # Beirut forward
        (3, 31, 1, 0),  # Dublin, Troll, Scoresbysund forward
        (4, 6, 14, 0),  # Chatham back
        (4, 6, 15, 0),  # Lord Howe back
        (4, 14, 2, 0),  # Casablanca forward
        (9, 28, 14, 0),  # Chatham forward
        (10, 5, 15, 30),  # Lord Howe forward
        (10, 26, 21, 0),  # Beirut back
        (10, 27, 1, 0),  # Dublin, Troll, Scoresbysund back
        (11, 3, 5, 0),  # Havana back
        (11, 3, 6, 0),  # New York back
        (11, 3, 10, 0),  # Anchorage back
    )
]


def durations_us(longest_us: int) -> st.SearchStrategy[int]:
    """From 0 on: round ones, so that instants meet, and any."""
    return st.one_of(
        st.integers(0, longest_us // (15 * MINUTE_US)).map(lambda quarters: quarters * 15 * MINUTE_US),
        st.integers(0, longest_us),
    )


def as_of_us() -> st.SearchStrategy[int]:
    """Any instant from two days before a change of clocks to eight days after it."""
    return st.builds(
        lambda change_us, later_us: change_us - 2 * DAY_US + later_us,
        st.sampled_from(CHANGES),
        durations_us(10 * DAY_US),
    )


seconds_of_day = st.one_of(
    st.sampled_from((0, 3600, 5400, 7200, 8100, 9000, 10_800, 86_340, 86_399)),
    st.integers(0, 95).map(lambda quarters: quarters * 900),
    st.integers(0, 86_399),
)
rows = st.builds(HoursRow, st.integers(0, 6), seconds_of_day, seconds_of_day)


def daily(opens_s: int, closes_s: int) -> list[HoursRow]:
    return [HoursRow(day, opens_s, closes_s) for day in range(7)]


hours = st.one_of(
    st.lists(rows, max_size=10),
    st.builds(daily, seconds_of_day, seconds_of_day),
    st.builds(
        lambda first, second: daily(*first) + daily(*second), *[st.tuples(seconds_of_day, seconds_of_day)] * 2
    ),
    st.sampled_from(([], daily(0, 86_399), daily(0, 0), [*daily(18 * 3600, 86_340), *daily(0, 2 * 3600)])),
)


@st.composite
def polls(draw: st.DrawFn, until_us: int, *, longest_gap_us: int = 60 * HOUR_US) -> list[Poll]:
    """Distinct polls in time order, some of them events or with a reason, the last ones a little after `until_us`."""
    gap_us = st.one_of(durations_us(3 * HOUR_US), durations_us(longest_gap_us))
    at_us = until_us + draw(durations_us(2 * HOUR_US))
    taken = {}
    for gap in draw(st.lists(gap_us, max_size=25)):
        reason = draw(st.sampled_from(("", "", "busy", "paused_by_store")))
        taken[at_us] = draw(st.booleans()), draw(st.sampled_from((False, False, True))), reason
        at_us -= gap
    return [Poll(at_us, *said) for at_us, said in sorted(taken.items())]


def stores(until_us: int, *, longest_gap_us: int = 60 * HOUR_US) -> st.SearchStrategy[Store]:
    return st.builds(Store, ZONES, hours, polls(until_us, longest_gap_us=longest_gap_us))


@st.composite
def batches(draw: st.DrawFn, *, longest_gap_us: int = 60 * HOUR_US) -> tuple[list[Store], int]:
    """Up to three stores and an as_of."""
    until_us = draw(as_of_us())
    return draw(st.lists(stores(until_us, longest_gap_us=longest_gap_us), min_size=1, max_size=3)), until_us
