"""Convert local time to UTC for whole arrays: `zoneinfo` gives the offsets, numpy applies them.

Must not know opening hours or stores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from shared.uptime.intervals import Int64s

DEFAULT_TIMEZONE: Final = "America/Chicago"
DAY_S: Final = 86_400
# Room for the seconds of 34,000 years, below the zone's number.
_KEY_BITS: Final = 40
_FOREVER_S: Final = 1 << 60
# Later than any instant, and few enough seconds to be counted in microseconds.
_NEVER_S: Final = 1 << 42


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """The constant-offset stretches of several zones in a range of days, one after another.

    `key` is the zone's number and the stretch's first local second in one integer; from there on local time is
    `offset_s` ahead of UTC, and the stretch ends at the UTC second `until_s`. Sorted by `key`.
    """

    first_s: int
    key: Int64s
    offset_s: Int64s
    until_s: Int64s

    def utc_s(self, zone: Int64s, local_s: Int64s) -> Int64s:
        """Convert local wall-clock seconds since 1970 to UTC, in the zones given by number.

        An ambiguous local time means its first occurrence, a nonexistent one the first instant after the jump.
        """
        stretch = np.searchsorted(self.key, (zone << _KEY_BITS) + (local_s - self.first_s), side="right") - 1
        utc_s: Int64s = np.minimum(local_s - self.offset_s[stretch], self.until_s[stretch])
        return utc_s

    def local_s(self, zone: Int64s, utc_s: Int64s) -> Int64s:
        """Convert UTC seconds since 1970 to local wall-clock seconds, in the zones given by number."""
        of = self.key >> _KEY_BITS
        begins_s = np.zeros_like(of)
        begins_s[1:] = np.where(of[1:] == of[:-1], np.maximum(self.until_s[:-1] - self.first_s, 0), 0)
        place = (zone << _KEY_BITS) + np.maximum(utc_s - self.first_s, 0)
        stretch = np.searchsorted((of << _KEY_BITS) + begins_s, place, side="right") - 1
        local_s: Int64s = utc_s + self.offset_s[stretch]
        return local_s

    def changes_s(self, zones: int) -> Int64s:
        """Return the UTC seconds at which the clocks of each zone change, in shape (zones, most changes of a zone).

        Rows with fewer changes end with seconds that never come.
        """
        ends = np.flatnonzero(self.until_s < _FOREVER_S)
        zone = self.key[ends] >> _KEY_BITS
        place = np.arange(len(ends)) - np.searchsorted(zone, zone)
        changes_s = np.full((zones, int(place.max(initial=-1)) + 1), _NEVER_S)
        changes_s[zone, place] = self.until_s[ends]
        return changes_s


def number_zones(zones: Sequence[str | None]) -> tuple[list[str], Int64s]:
    """Return the names of the zones in order, and for each element the index of its name. None: the default zone."""
    distinct = set(zones)
    names = sorted({zone or DEFAULT_TIMEZONE for zone in distinct})
    number = {zone: names.index(zone or DEFAULT_TIMEZONE) for zone in distinct}
    return names, np.fromiter(map(number.__getitem__, zones), dtype=np.int64, count=len(zones))


def zone_table(names: Sequence[str], first_day: int, last_day: int) -> ZoneTable:
    """Return the table for local dates from `first_day` to `last_day` (days since 1970, inclusive).

    Raises zoneinfo.ZoneInfoNotFoundError for a name that the time zone database does not have.
    """
    first_s = first_day * DAY_S
    rows = [
        ((number << _KEY_BITS) + max(from_s - first_s, 0), offset_s, until_s)
        for number, name in enumerate(names)
        for from_s, offset_s, until_s in _stretches(name, first_day, last_day)
    ]
    key, offset_s, until_s = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return ZoneTable(first_s, key, offset_s, until_s)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """Local seconds since 1970, from `from_s` until before `to_s`, that a zone skips, or else repeats."""

    from_s: int
    to_s: int
    is_skipped: bool


def clock_changes(name: str, first_day: int, last_day: int) -> list[ClockChange]:
    """Return the changes of a zone's clocks on local dates from `first_day` to `last_day`, in order.

    Raises zoneinfo.ZoneInfoNotFoundError for a name that the time zone database does not have.
    """
    stretches = _stretches(name, first_day, last_day)
    changes = []
    for (_, before_s, jump_s), (_, after_s, _) in pairwise(stretches):
        low_s, high_s = sorted((jump_s + before_s, jump_s + after_s))
        changes.append(ClockChange(low_s, high_s, is_skipped=after_s > before_s))
    return changes


@lru_cache(maxsize=4096)
def _stretches(name: str, first_day: int, last_day: int) -> tuple[tuple[int, int, int], ...]:
    """Return (first local second, offset, last UTC second) of each stretch of constant offset, in order.

    A stretch begins at the first local second that neither offset maps to an instant before the jump. So the repeated
    hour belongs to the stretch before, and so does the skipped hour, cut off at the jump.
    """
    zone = ZoneInfo(name)
    # No two changes since 1990 are less than 6.9 days apart, so one check a day misses none.
    stretches: list[tuple[int, int, int]] = []
    from_s = first_day * DAY_S
    offset_s = _offset_s(zone, (first_day - 1) * DAY_S)
    for day in range(first_day - 1, last_day + 2):
        after_s = _offset_s(zone, (day + 1) * DAY_S)
        if after_s != offset_s:
            jump_s = _jump_s(zone, day * DAY_S, (day + 1) * DAY_S)
            stretches.append((from_s, offset_s, jump_s))
            from_s = jump_s + max(offset_s, after_s)
            offset_s = after_s
    return (*stretches, (from_s, offset_s, _FOREVER_S))


def _jump_s(zone: ZoneInfo, before_s: int, after_s: int) -> int:
    """Return the first UTC second in `(before_s, after_s]` with the offset of `after_s`, by bisection."""
    after = _offset_s(zone, after_s)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset_s(zone, middle_s) == after:
            after_s = middle_s
        else:
            before_s = middle_s
    return after_s


def _offset_s(zone: ZoneInfo, utc_s: int) -> int:
    local = datetime.fromtimestamp(utc_s, zone)
    return int(local.replace(tzinfo=UTC).timestamp()) - utc_s
