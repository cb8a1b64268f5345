"""Opening hours that depend on the date: dated versions of the weekly hours, and special days.

Only their arrays: `by_date.py` makes spans of them.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shared.uptime.intervals import Bools, Int64s

EARLIEST_DAY: Final = -(1 << 31)  # `from_day` of a version without a date


@dataclass(frozen=True, slots=True)
class DatedHours:
    """Versions of weekly hours, in any order: each holds from its date until the store's next version.

    One element a version: `store`, and `from_day` in days since 1970, `EARLIEST_DAY` for a version without a date. One
    element a row: `version` is the index of its version, the others are as in `Hours`. A version without rows is open
    around the clock. The earliest version also holds before its date. Rows of the same stores in `Hours` do not count.
    """

    store: Int64s
    from_day: Int64s
    version: Int64s
    day_of_week: Int64s
    opens_s: Int64s
    closes_s: Int64s

    def renumbered(self, number: Int64s) -> Self:
        """Return the versions of some stores. `number` holds the new index of each store, and -1 for the others."""
        kept, place, rows = _select(number[self.store] >= 0, self.version)
        return type(self)(
            number[self.store[kept]],
            self.from_day[kept],
            place[self.version[rows]],
            *(values[rows] for values in (self.day_of_week, self.opens_s, self.closes_s)),
        )


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """Local dates whose intervals replace the weekly ones that open on them, in any order.

    One element a date: `store`, and `day` in days since 1970, each pair once. One element an interval: `date` is the index
    of its date, `opens_s` and `closes_s` are as in `Hours`. The store is closed on a date without intervals.
    """

    store: Int64s
    day: Int64s
    date: Int64s
    opens_s: Int64s
    closes_s: Int64s

    def renumbered(self, number: Int64s) -> Self:
        """Return the dates of some stores. `number` holds the new index of each store, and -1 for the others."""
        kept, place, rows = _select(number[self.store] >= 0, self.date)
        return type(self)(
            number[self.store[kept]],
            self.day[kept],
            place[self.date[rows]],
            self.opens_s[rows],
            self.closes_s[rows],
        )


def _select(is_kept: Bools, owner: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Return the indexes of the kept owners, the new index of each owner, and the indexes of the rows of kept owners."""
    return np.flatnonzero(is_kept), np.cumsum(is_kept) - 1, np.flatnonzero(is_kept[owner])


NO_DATED_HOURS: Final = DatedHours(*np.zeros((6, 0), dtype=np.int64))
NO_SPECIAL_DAYS: Final = SpecialDays(*np.zeros((5, 0), dtype=np.int64))
