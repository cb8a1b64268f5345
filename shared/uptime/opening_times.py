"""What opened a store, or kept it closed: the hours behind each stretch of time. Must not know polls or closures."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from shared.uptime.calendar import closing_s
from shared.uptime.store_terms import HoursSource, StoreTerms
from shared.uptime.zones import DAY_S, DEFAULT_TIMEZONE, zone_table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_US: Final = DAY_S * 1_000_000
# An interval of 24 hours lasts longer where clocks go back, by at most a day where a zone crosses the date line.
_LONGEST_US: Final = 3 * _DAY_US


class OpeningTimes:
    """The intervals of one store in a range of time, each with the hours that it comes from."""

    def __init__(self, store: StoreTerms, range_us: tuple[int, int]) -> None:
        self._store, self._zone = store, ZoneInfo(store.zone or DEFAULT_TIMEZONE)
        first, last = range_us[0] // _DAY_US - 3, range_us[1] // _DAY_US + 2
        found = [
            (day, *interval, source)
            for day in range(first, last + 1)
            for source, intervals in [store.hours_on(date.fromordinal(day + _EPOCH_DAY))]
            for interval in intervals
        ]
        midnight_s, opens_s, closes_s = (
            np.array([row[column] for row in found], dtype=np.int64) for column in range(3)
        )
        midnight_s *= DAY_S
        table = zone_table([store.zone or DEFAULT_TIMEZONE], first, last + 2)
        zone = np.zeros(len(found), dtype=np.int64)
        open_us = table.utc_s(zone, midnight_s + opens_s) * 1_000_000
        close_us = table.utc_s(zone, midnight_s + closing_s(opens_s, closes_s)) * 1_000_000
        self._intervals = sorted(
            zip(open_us.tolist(), close_us.tolist(), (row[3] for row in found), strict=True),
            key=lambda interval: interval[:2],
        )
        self._opens_us = [interval[0] for interval in self._intervals]

    def opened_by(self, begin_us: int, end_us: int) -> tuple[HoursSource, ...]:
        """Return the hours whose intervals cover a stretch of open time, in order, each once."""
        first = bisect_left(self._opens_us, begin_us - _LONGEST_US)
        last = bisect_left(self._opens_us, end_us)
        return _distinct(source for _, close_us, source in self._intervals[first:last] if close_us > begin_us)

    def closed_by(self, begin_us: int, end_us: int) -> tuple[HoursSource, ...]:
        """Return the hours of the local dates in a stretch of closed time, in order, each once."""
        first, last = (self._local_date(at_us).toordinal() for at_us in (begin_us, end_us - 1))
        return _distinct(self._store.hours_on(date.fromordinal(day))[0] for day in range(first, last + 1))

    def _local_date(self, at_us: int) -> date:
        return (_EPOCH + timedelta(microseconds=at_us)).astimezone(self._zone).date()


def _distinct(sources: Iterable[HoursSource]) -> tuple[HoursSource, ...]:
    return tuple(dict.fromkeys(sources))
