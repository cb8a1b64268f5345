"""Numbers for the values of rows of hours, so that many rows are compared and sorted at once.

The lowest 37 bits are the day and the two times: the same order as the primary key of weekly hours. Above them are the mark of
00:00 to 24:00, and the date from which the row applies.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.times_of_day import DAY_S, LONG_OPENING_S

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
TIME_BITS: Final = 17
DATE_BITS: Final = 22  # of the ordinal of a date; 0 for none
WEEKLY_BITS: Final = 2 * TIME_BITS + 3
_ALL_DAY_BIT: Final = WEEKLY_BITS
_DATE_SHIFT: Final = WEEKLY_BITS + 1
_TIME_MASK: Final = (1 << TIME_BITS) - 1
WEEKLY_MASK: Final = (1 << WEEKLY_BITS) - 1


def encode_hours(values: Sequence[Mapping[str, Any]], first_day: int) -> Ints:
    """Return the numbers of values. `first_day`: the number of Monday."""
    return np.array([_encode(fields, first_day) for fields in values], np.int64)


def _encode(fields: Mapping[str, Any], first_day: int) -> int:
    named = fields["day_of_week"]
    day = fields["day_number"] - first_day if named is None else named
    weekly = (day << 2 * TIME_BITS) | (fields["opens"] << TIME_BITS) | fields["closes"]
    return int(
        ((fields["date"] or 0) << _DATE_SHIFT) | (bool(fields.get("all_day")) << _ALL_DAY_BIT) | weekly
    )


def pack_times(day: NDArray[Any], opens: NDArray[Any], closes: NDArray[Any]) -> Ints:
    """Return the lowest bits of values without a date."""
    weekly = (day.astype(np.int64) << TIME_BITS | opens) << TIME_BITS | closes
    return np.asarray(weekly, np.int64)


def days(value: Ints) -> Ints:
    """Return the days of the week; 0 is Monday."""
    return (value & WEEKLY_MASK) >> (2 * TIME_BITS)


def opens(value: Ints) -> Ints:
    """Return the second of the day at which each opens."""
    return (value >> TIME_BITS) & _TIME_MASK


def closes(value: Ints) -> Ints:
    """Return the second of the day at which each closes, which may be of the next day."""
    return value & _TIME_MASK


def dates(value: Ints) -> Ints:
    """Return the ordinals of the dates; 0 for none."""
    return value >> _DATE_SHIFT


def seconds_open(value: Ints) -> Ints:
    """Return how long each opening lasts."""
    start, end = opens(value), closes(value)
    return end - start + DAY_S * (end <= start)


def are_long(value: Ints) -> Bools:
    """Return which openings across midnight are longer than a 12-hour clock makes right."""
    return (closes(value) < opens(value)) & (seconds_open(value) > LONG_OPENING_S)


def are_equal(value: Ints) -> Bools:
    """Return which openings end when they begin, unless written as 00:00 to 24:00."""
    is_written_so: Bools = (value >> _ALL_DAY_BIT) & 1 == 1
    return np.asarray((closes(value) == opens(value)) & ~is_written_so, np.bool_)
