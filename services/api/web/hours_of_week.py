"""How one store did at each hour of the week, over the last four weeks. Must not know HTML."""

from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from services.api.use_cases.timeline import TimelineInput
from services.api.web.hour_grid import HourGrid
from shared.clock import from_us, to_us
from shared.pictures.week import DAYS, midnight_us

WEEKS: Final = 4
_HOURS: Final = 24
_HOUR: Final = timedelta(hours=1)


def measure_hours(given: TimelineInput, zone: ZoneInfo) -> HourGrid:
    """Return the 24 hours of each weekday, Monday first. `given` must reach back four weeks before its end.

    Hours are those of local clocks, so an hour that clocks skip is missing once, and one that they repeat counts twice.
    """
    windows, places = _local_hours(given, zone)
    measures = given.measure_windows(windows)
    sums = np.zeros((3, DAYS * _HOURS), dtype=np.int64)
    for row, values in zip(sums, (measures.up_us, measures.down_us, measures.unknown_us), strict=True):
        np.add.at(row, places, values[0])
    return HourGrid.of_store(sums)


def _local_hours(given: TimelineInput, zone: ZoneInfo) -> tuple[list[tuple[int, int]], list[int]]:
    """Return each hour from four weeks before the end on, and its place in the week."""
    end = from_us(given.as_of_us).astimezone(zone)
    first = end.date() - timedelta(days=WEEKS * DAYS - 1)
    windows, places = [], []
    begin_us = max(midnight_us(first, zone), given.window_us[0])
    while begin_us < given.as_of_us:
        local = from_us(begin_us).astimezone(zone)
        end_us = to_us(from_us(begin_us) + _HOUR - timedelta(minutes=local.minute, seconds=local.second))
        windows.append((begin_us, min(end_us, given.as_of_us)))
        places.append(local.weekday() * _HOURS + local.hour)
        begin_us = end_us
    return windows, places
