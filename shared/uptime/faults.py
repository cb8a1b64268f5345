"""Find the stores that the accounting cannot measure, before it computes garbage for them or fails for the whole batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import available_timezones

import numpy as np

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments
from shared.uptime.calendar import Hours
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.zones import DAY_S

FaultReason = Literal["unknown_timezone", "invalid_hours", "not_computed"]
_DAYS_PER_WEEK: Final = 7
_SHOWN_CHARACTERS: Final = 100
# In place of stored intervals that cannot be read: every number of one interval, and the date of a damaged calendar.
DAMAGED: Final = -(1 << 31)
DAMAGED_DAY: Final = -(1 << 31)
# Including names that an import refuses today but an earlier release accepted, such as Factory.
_KNOWN_ZONES: Final = frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class StoreFault:
    """Why a store cannot be measured. `detail` is for people: what is wrong, and what to do."""

    reason: FaultReason
    detail: str


def is_known_zone(zone: str | None) -> bool:
    """Return whether the accounting knows the zone of a store. A store without one has the default."""
    return zone is None or zone in _KNOWN_ZONES


def find_faults(
    zones: Sequence[str | None], hours: Hours, adjustments: Adjustments = NO_ADJUSTMENTS
) -> Mapping[int, StoreFault]:
    """Return the stores of a batch, by index, whose zone is unknown or whose hours no import can have written.

    Takes a fraction of a millisecond for 2,000 stores without a fault.
    """
    unknown = {zone for zone in zones if zone is not None} - _KNOWN_ZONES
    faults = {index: _describe_zone(zone) for index, zone in enumerate(zones) if zone in unknown}
    for rows in (hours, *_list_dated(adjustments)):
        for row in _find_invalid_rows(rows):
            faults.setdefault(int(rows.store[row]), _describe_hours(rows, row))
    return faults


def _list_dated(adjustments: Adjustments) -> Iterator[Hours]:
    """Yield dated and special hours as weekly ones. Those of a date count as hours of day 0."""
    dated, special = adjustments.dated_hours, adjustments.special_days
    if len(dated.version):
        yield Hours(dated.store[dated.version], dated.day_of_week, dated.opens_s, dated.closes_s)
    if len(special.date):
        day = np.zeros_like(special.opens_s)
        yield Hours(special.store[special.date], day, special.opens_s, special.closes_s)


def _find_invalid_rows(hours: Hours) -> Sequence[int]:
    is_valid = (hours.day_of_week >= 0) & (hours.day_of_week < _DAYS_PER_WEEK)
    for seconds in (hours.opens_s, hours.closes_s):
        is_valid &= (seconds >= 0) & (seconds < DAY_S)
    rows: list[int] = np.flatnonzero(~is_valid).tolist()
    return rows


def _describe_zone(zone: str | None) -> StoreFault:
    return StoreFault(
        "unknown_timezone",
        f"time zone {str(zone)[:_SHOWN_CHARACTERS]!r} is not in the time zone database {tzdata_version()} of this"
        " process: set a zone such as America/Chicago, or update the release",
    )


def _describe_hours(hours: Hours, row: int) -> StoreFault:
    day, opens_s, closes_s = (
        int(values[row]) for values in (hours.day_of_week, hours.opens_s, hours.closes_s)
    )
    if opens_s == DAMAGED:
        return StoreFault(
            "invalid_hours",
            "its dated hours, its special hours or a calendar with its labels cannot be read: set them again",
        )
    return StoreFault(
        "invalid_hours",
        f"opening hours on day {day} from second {opens_s} to {closes_s}: days are 0 to 6 and seconds 0 to 86399;"
        " set the store's hours again",
    )
