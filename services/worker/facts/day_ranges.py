"""The whole local days in the windows of a batch's stores, and the midnights around them. Must not know any fact."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from shared.clock import to_us
from shared.reports.batch import Batch
from shared.uptime.bounds import bounds_us
from shared.uptime.days import day_edges_us
from shared.uptime.intervals import Int64s
from shared.uptime.policy import DAY_US, POLICIES, later_us
from shared.uptime.window import parse_windows
from shared.uptime.zones import number_zones

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class DayRanges:
    """The days from `first` up to `until` of each store and window. Days count since 1970.

    `edges_us` has the midnights from day `origin` on, for each zone; `zone` is that of each store.
    """

    first: Int64s
    until: Int64s
    origin: int
    edges_us: Int64s
    zone: Int64s

    def midnights_us(self, days: Int64s) -> Int64s:
        """Return when days begin, one for each store and window."""
        place = np.clip(days - self.origin, 0, self.edges_us.shape[1] - 1)
        midnights_us: Int64s = self.edges_us[self.zone[:, None], place]
        return midnights_us

    def capped(self, until: Int64s) -> "DayRanges":
        """Return the days before `until`, which is given for each store and window."""
        return replace(self, until=np.maximum(np.minimum(self.until, until), self.first))

    def before(self, day: int) -> tuple[date, date] | None:
        """Return the first and the last of all these days before another; None if there are none."""
        until = np.minimum(self.until, day)
        some = self.first < until
        if not some.any():
            return None
        first, last = int(self.first[some].min()), int(until[some].max()) - 1
        return date.fromordinal(first + _EPOCH_DAY), date.fromordinal(last + _EPOCH_DAY)


def find_days(batch: Batch, zones: Sequence[str | None]) -> DayRanges:
    """Return the whole days of each window that are final at `as_of`.

    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    names, zone = number_zones(zones)
    as_of_us = to_us(batch.as_of)
    starts_us, ends_us = bounds_us(parse_windows(batch.windows), as_of_us, names)
    origin = int(starts_us.min()) // DAY_US - 2
    edges_us = day_edges_us(names, date.fromordinal(origin + _EPOCH_DAY), as_of_us // DAY_US + 2 - origin)
    final_us = np.minimum(ends_us, as_of_us - later_us(POLICIES[batch.policy]))
    first = (edges_us[:, :, None] < starts_us[:, None, :]).sum(axis=1)
    until = (edges_us[:, :, None] <= final_us[:, None, :]).sum(axis=1) - 1
    until = np.maximum(until, first)
    return DayRanges(first[zone] + origin, until[zone] + origin, origin, edges_us, zone)
