"""The rule of service levels equals the oracle, and obeys its laws."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uptime.level_period import LevelPeriod, ended_everywhere, find_dates
from shared.uptime.service_level import (
    PPM,
    CountingRule,
    DayTimes,
    ExcludedTime,
    LevelFigures,
    LevelState,
    Tally,
    UnknownTime,
    count_days,
    find_states,
)
from tests.oracle.service_levels import Answer, Day, Level, evaluate
from tests.property.terms import some

REASONS = ("holiday", "works")
HOUR_US = 3_600_000_000
times = st.one_of(st.integers(0, 24), st.integers(0, 24 * HOUR_US))


@st.composite
def days(draw: st.DrawFn) -> Day:
    of_reason = {reason: draw(times) for reason in REASONS}
    excluded = sum(of_reason.values()) + draw(times)
    return Day(draw(times), draw(times), draw(times), excluded, of_reason)


@st.composite
def levels(draw: st.DrawFn) -> Level:
    target = Fraction(draw(st.integers(1, PPM)), PPM)
    caps = {reason: draw(times) for reason in REASONS if draw(st.booleans())}
    return Level(target, draw(st.sampled_from(UnknownTime)), draw(st.sampled_from(ExcludedTime)), caps)


def rule_of(level: Level) -> CountingRule:
    return CountingRule(UnknownTime(level.unknown), ExcludedTime(level.excluded), list(level.caps.values()))


def tally_of(level: Level, stores: list[list[Day]], ahead: list[int]) -> Tally:
    def table(name: str) -> np.ndarray:
        shape = len(stores), len(stores[0])
        return np.array([[getattr(day, name) for day in store] for store in stores], np.int64).reshape(shape)

    of_reason = np.array(
        [[[day.of_reason[reason] for day in store] for store in stores] for reason in level.caps], np.int64
    ).reshape(len(level.caps), len(stores), len(stores[0]))
    times = DayTimes(table("up"), table("down"), table("unknown"), table("excluded"), of_reason)
    return count_days(times, np.array(ahead, np.int64), rule_of(level))


def check(tally: Tally, place: int, level: Level, expected: Answer) -> None:
    target_ppm = int(level.target * PPM)
    found = [int(getattr(tally, name)[place]) for name in Tally.__slots__]
    assert found[:4] == list(expected[:4])
    figures = LevelFigures(target_ppm, *found)
    assert figures.budget_us == expected.budget // 1
    shares = (figures.achieved_ppm, figures.projected_ppm)
    assert shares == tuple(each and each * PPM // 1 for each in (expected.achieved, expected.projected))
    burn = expected.burn_rate
    assert figures.burn_rate_percent == (None if burn is None else burn * 100 // 1)
    assert LevelState(int(find_states(tally, target_ppm)[place])).name.lower() == expected.state


@some
@given(data=st.data(), level=levels(), number=st.integers(1, 4), length=st.integers(0, 6))
def test_each_store_is_the_oracles(data: st.DataObject, level: Level, number: int, length: int) -> None:
    stores = [data.draw(st.lists(days(), min_size=length, max_size=length)) for _ in range(number)]
    ahead = [data.draw(times) for _ in stores]
    tally = tally_of(level, stores, ahead)
    for place, store in enumerate(stores):
        check(tally, place, level, evaluate(level, store, ahead[place]))


@some
@given(level=levels(), store=st.lists(days(), min_size=1, max_size=5), ahead=times)
def test_a_total_is_a_sum_over_sums(level: Level, store: list[Day], ahead: int) -> None:
    tally = tally_of(level, [store] * 3, [ahead] * 3).sum()
    once = tally_of(level, [store], [ahead])
    for name in Tally.__slots__:
        assert getattr(tally, name).tolist() == [3 * int(getattr(once, name)[0])]


def test_a_fleet_of_a_year_does_not_overflow() -> None:
    year = np.array([36_780 * 366 * 24 * HOUR_US])
    tally = Tally(year, year // 50, year // 366, year // 366, year)
    assert find_states(tally, 970_000).tolist() == [LevelState.AT_RISK]


@pytest.mark.parametrize(
    ("as_of", "through"),
    [
        ("2024-11-02T11:59:59", date(2024, 10, 31)),
        ("2024-11-02T12:00:00", date(2024, 11, 1)),
    ],
)
def test_a_date_counts_once_it_has_ended_everywhere(as_of: str, through: date) -> None:
    assert ended_everywhere(datetime.fromisoformat(as_of).replace(tzinfo=UTC)) == through


@pytest.mark.parametrize(
    ("period", "ago", "first", "last"),
    [
        (LevelPeriod.CALENDAR_MONTH, 0, date(2024, 10, 1), date(2024, 10, 31)),
        (LevelPeriod.CALENDAR_MONTH, 1, date(2024, 9, 1), date(2024, 9, 30)),
        (LevelPeriod.ROLLING_30_DAYS, 0, date(2024, 10, 2), date(2024, 10, 31)),
        (LevelPeriod.ROLLING_30_DAYS, 1, date(2024, 9, 2), date(2024, 10, 1)),
        (LevelPeriod.LAST_12_MONTHS, 0, date(2023, 11, 1), date(2024, 10, 31)),
        (LevelPeriod.LAST_12_MONTHS, 1, date(2023, 10, 1), date(2024, 9, 30)),
    ],
)
def test_periods_at_the_end_of_a_month(period: LevelPeriod, ago: int, first: date, last: date) -> None:
    assert find_dates(period, date(2024, 10, 31), ago=ago) == (first, last)


@given(through=st.dates(date(2001, 2, 1), date(2099, 12, 31)), ago=st.integers(0, 12))
def test_months_follow_each_other(through: date, ago: int) -> None:
    month = find_dates(LevelPeriod.CALENDAR_MONTH, through, ago=ago)
    before = find_dates(LevelPeriod.CALENDAR_MONTH, through, ago=ago + 1)
    assert before.last == month.first - timedelta(days=1)
    assert (month.first.day, (month.last + timedelta(days=1)).day) == (1, 1)
    assert ago or month.first <= through <= month.last
    year = find_dates(LevelPeriod.LAST_12_MONTHS, through, ago=ago)
    assert year.last < through + timedelta(days=1)
    assert 365 <= (year.last - year.first).days + 1 <= 366
