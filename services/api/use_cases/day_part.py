"""A stretch of a local date, such as its evening: between which instants it lies in each store's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from shared.uptime.intervals import Int64s
from shared.uptime.policy import HOUR_US
from shared.uptime.zones import DAY_S, number_zones, zone_table

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_HOUR_S: Final = 3600
_SECOND_US: Final = 1_000_000
# No zone is further from UTC.
_MARGIN_US: Final = 15 * HOUR_US


@dataclass(frozen=True)
class DayPart:
    """The local time of a date from one hour to another, `until_hour` not included: 18 to 24 is the evening."""

    day: date
    from_hour: int = 0
    until_hour: int = 24

    @property
    def reach_us(self) -> tuple[int, int]:
        """Instants before and after it in every zone."""
        midnight_us = (self.day.toordinal() - _EPOCH_DAY) * 24 * HOUR_US
        return (
            midnight_us + self.from_hour * HOUR_US - _MARGIN_US,
            midnight_us + self.until_hour * HOUR_US + _MARGIN_US,
        )

    def bounds_us(self, zones: Sequence[str | None]) -> tuple[Int64s, Int64s]:
        """Return where it begins and ends for stores with these zones (None: the default), one element each.

        Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
        """
        names, zone = number_zones(zones)
        if not names:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        first = self.day.toordinal() - _EPOCH_DAY
        table = zone_table(names, first - 1, first + 2)
        every = np.arange(len(names), dtype=np.int64)
        starts, ends = (
            table.utc_s(every, np.full(len(names), first * DAY_S + hour * _HOUR_S)) * _SECOND_US
            for hour in (self.from_hour, self.until_hour)
        )
        return starts[zone], ends[zone]
