"""All days from 1900 on as arrays, and which of them the parts of a recurrence rule allow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.ical_times import FIRST_YEAR

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
DAYS_PER_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Days:
    """The days from 1 January 1900 to the end of a year, one element a day. `number`: days since 1970."""

    number: Int64s
    year: Int64s
    month: Int64s
    day: Int64s
    weekday: Int64s
    yearday: Int64s
    days_left: Int64s  # of the month
    days_left_of_year: Int64s

    @classmethod
    def until(cls, last_year: int) -> Self:
        """Return the days up to 31 December of a year."""
        dates = np.arange(f"{FIRST_YEAR}-01-01", f"{last_year + 1}-01-01", dtype="datetime64[D]")
        months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")

        def count(later: Any, earlier: Any) -> Int64s:
            return np.asarray(
                (later.astype("datetime64[D]") - earlier.astype("datetime64[D]")).astype(np.int64)
            )

        number = dates.astype(np.int64)
        return cls(
            number,
            years.astype(np.int64) + 1970,
            months.astype(np.int64) % 12 + 1,
            count(dates, months) + 1,
            (number + 3) % DAYS_PER_WEEK,
            count(dates, years) + 1,
            count(months + 1, dates),
            count(years + 1, dates),
        )

    def since(self, first: int) -> Self:
        """Return the days from a number on."""
        start = max(0, first - int(self.number[0]))
        return type(self)(*(getattr(self, name)[start:] for name in self.__slots__))


@lru_cache(3)
def all_days(last_year: int) -> Days:
    """Return the days up to a year. A service needs those of two years, and at New Year of three."""
    return Days.until(last_year)


def _month_days(days: Days, wanted: Sequence[int]) -> Bools:
    return np.isin(days.day, wanted) | np.isin(-days.days_left, wanted)


def _year_days(days: Days, wanted: Sequence[int]) -> Bools:
    return np.isin(days.yearday, wanted) | np.isin(-days.days_left_of_year, wanted)


DAY_TESTS: Final[Mapping[str, Callable[[Days, Sequence[int]], Bools]]] = {
    "BYMONTH": lambda days, wanted: np.isin(days.month, [int(month) for month in wanted]),
    "BYMONTHDAY": _month_days,
    "BYYEARDAY": _year_days,
}


def pick_positions(matches: Bools, period: Int64s, positions: Sequence[int]) -> Bools:
    """Return the matches at these positions in their period: 1 is the first, -1 the last."""
    place = np.flatnonzero(matches)
    _, first, count = np.unique(period[place], return_index=True, return_counts=True)
    rank = np.arange(len(place)) - np.repeat(first, count) + 1
    from_end = rank - np.repeat(count, count) - 1
    picked = np.zeros_like(matches)
    picked[place[np.isin(rank, positions) | np.isin(from_end, positions)]] = True
    return picked
