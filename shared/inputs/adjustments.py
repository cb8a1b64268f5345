"""Read what adjusts the weekly hours of a batch's stores, in one snapshot. Must not know the accounting's rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from shared.db.queries import queries
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores, find_places
from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments
from shared.uptime.calendar import Hours
from shared.uptime.closures import NEVER_US, NO_CLOSURES, NO_LIFETIMES, Closures, Lifetimes, Treatment
from shared.uptime.dates import EARLIEST_DAY, NO_DATED_HOURS, NO_SPECIAL_DAYS, DatedHours, SpecialDays
from shared.uptime.faults import DAMAGED, DAMAGED_DAY
from shared.uptime.intervals import Int64s
from shared.uptime.notes import NO_NOTES, PollNotes
from shared.uptime.resolve import resolved_days

_SQL = queries("adjustments")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# An interval opens at most two local dates before the range that it touches.
_NEAR_DAYS: Final = 3
_TABLES: Final = ("dated_hours", "special_hours", "lifetimes", "closures", "calendars")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class StoredAdjustments:
    """The adjustments of a batch's stores, for any time range. `calendars` has a calendar's number in place of a store."""

    dated_hours: DatedHours = NO_DATED_HOURS
    special_days: SpecialDays = NO_SPECIAL_DAYS
    calendars: SpecialDays = NO_SPECIAL_DAYS
    members: tuple[Int64s, Int64s] = (NO_SPECIAL_DAYS.store, NO_SPECIAL_DAYS.store)
    lifetimes: Lifetimes = NO_LIFETIMES
    closures: Closures = NO_CLOSURES

    @property
    def size_bytes(self) -> int:
        """The memory of all arrays."""
        tables = (self.dated_hours, self.special_days, self.calendars, self.lifetimes, self.closures)
        arrays = [getattr(table, field.name) for table in tables for field in fields(table)]
        return sum(array.nbytes for array in (*arrays, *self.members))

    def in_range(self, hours: Hours, needed: DataRange, notes: PollNotes = NO_NOTES) -> Adjustments:
        """Return the adjustments that a report over this range needs, with the notes about its polls.

        `hours` are the weekly hours without a date.
        """
        if self is NOTHING_STORED:
            return Adjustments(notes=notes) if len(notes) else NO_ADJUSTMENTS
        special_days = self.special_days
        if len(self.members[0]):
            first_day, last_day = (
                at.toordinal() - _EPOCH_DAY + margin
                for at, margin in ((needed.from_time, -_NEAR_DAYS), (needed.to_time, _NEAR_DAYS))
            )
            near = _select_days(self.calendars, first_day, last_day)
            special_days = resolved_days(special_days, near, *self.members)
        return Adjustments(
            _with_undated(self.dated_hours, hours), special_days, self.lifetimes, self.closures, notes
        )


NOTHING_STORED: Final = StoredAdjustments()


def read_adjustments(conn: psycopg.Connection, stores: Stores, seq: int) -> StoredAdjustments:
    """Read the adjustments of stores that held at a ledger number."""
    given = {"store_keys": stores.keys.tolist(), "seq": seq}
    return _parse_adjustments(stores, {name: conn.execute(_SQL[name], given).fetchall() for name in _TABLES})


async def read_adjustments_async(
    conn: psycopg.AsyncConnection, stores: Stores, seq: int
) -> StoredAdjustments:
    """Do what `read_adjustments` does, on an asynchronous connection."""
    given = {"store_keys": stores.keys.tolist(), "seq": seq}
    return _parse_adjustments(
        stores, {name: await (await conn.execute(_SQL[name], given)).fetchall() for name in _TABLES}
    )


def _parse_adjustments(stores: Stores, rows: Mapping[str, Sequence[Row]]) -> StoredAdjustments:
    def parted(name: str) -> tuple[Int64s, list[Row]]:
        keys = np.array([row[0] for row in rows[name]], dtype=np.int64)
        return find_places(stores, keys), [row[1:] for row in rows[name]]

    dated_store, versions = parted("dated_hours")
    special_store, days = parted("special_hours")
    lived_store, lives = parted("lifetimes")
    closed_store, closures = parted("closures")
    calendars, members = _parse_calendars(stores, rows["calendars"])
    return StoredAdjustments(
        DatedHours(dated_store, _column(versions, 0), *_flatten((row[1] for row in versions), 3)),
        SpecialDays(special_store, _column(days, 0), *_flatten((row[1] for row in days), 2)),
        calendars,
        members,
        Lifetimes(lived_store, _column(lives, 0, missing=-NEVER_US), _column(lives, 1, missing=NEVER_US)),
        Closures(
            closed_store,
            _column(closures, 0),
            _column(closures, 1, missing=NEVER_US),
            np.array([Treatment[str(row[2]).upper()] for row in closures], dtype=np.int64),
        ),
    )


def _parse_calendars(stores: Stores, rows: Sequence[Row]) -> tuple[SpecialDays, tuple[Int64s, Int64s]]:
    """Return the dates of all calendars, by the number of each, and pairs of member and calendar."""
    numbers: list[int] = []
    days: list[int] = []
    intervals: list[object] = []
    member_keys: list[int] = []
    member_of: list[int] = []
    for number, (dates, members) in enumerate(rows):
        for day, given_intervals in _list_dates(dates) if members else ():
            numbers.append(number)
            days.append(day)
            intervals.append(given_intervals)
        member_keys += members
        member_of += [number] * len(members)
    return (
        SpecialDays(np.array(numbers, np.int64), np.array(days, np.int64), *_flatten(intervals, 2)),
        (find_places(stores, np.array(member_keys, np.int64)), np.array(member_of, np.int64)),
    )


def _list_dates(dates: object) -> Iterator[tuple[int, object]]:
    """Yield each date of a calendar with its intervals. A damaged calendar has a damaged date near every report."""
    if not isinstance(dates, Mapping):
        yield DAMAGED_DAY, None
        return
    for text, intervals in dates.items():
        try:
            day = date.fromisoformat(text).toordinal() - _EPOCH_DAY
        except ValueError:
            yield DAMAGED_DAY, None
        else:
            yield day, intervals


def _column(rows: Sequence[Sequence[object]], number: int, *, missing: int = 0) -> Int64s:
    return np.array([missing if row[number] is None else row[number] for row in rows], dtype=np.int64)


def _flatten(rows: Iterable[object], width: int) -> list[Int64s]:
    """Return the number of the row of each interval, and the columns of the intervals."""
    values = [_as_array(row, width) for row in rows]
    owner = np.repeat(np.arange(len(values)), np.array([len(value) for value in values], dtype=np.int64))
    return [owner, *(np.concatenate(values) if values else np.zeros((0, width), np.int64)).T]


def _as_array(row: object, width: int) -> Int64s:
    """Return intervals as rows. What no import can have written becomes one that `find_faults` reports."""
    if isinstance(row, list) and len(row) % width == 0 and all(map(_is_second, row)):
        return np.array(row, dtype=np.int64).reshape(-1, width)
    return np.full((1, width), DAMAGED)


def _is_second(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < -DAMAGED


def _select_days(days: SpecialDays, first_day: int, last_day: int) -> SpecialDays:
    kept = (days.day >= first_day) & (days.day <= last_day) | (days.day == DAMAGED_DAY)
    rows = np.flatnonzero(kept[days.date])
    place = np.cumsum(kept) - 1
    return SpecialDays(
        days.store[kept], days.day[kept], place[days.date[rows]], days.opens_s[rows], days.closes_s[rows]
    )


def _with_undated(dated: DatedHours, hours: Hours) -> DatedHours:
    """Add the weekly hours without a date of the stores that have dated ones. They are a version of their own."""
    if not len(dated.store):
        return dated
    rows = np.flatnonzero(np.isin(hours.store, dated.store))
    stores, version = np.unique(hours.store[rows], return_inverse=True)
    return DatedHours(
        np.concatenate((dated.store, stores)),
        np.concatenate((dated.from_day, np.full(len(stores), EARLIEST_DAY))),
        np.concatenate((dated.version, len(dated.store) + version)),
        np.concatenate((dated.day_of_week, hours.day_of_week[rows])),
        np.concatenate((dated.opens_s, hours.opens_s[rows])),
        np.concatenate((dated.closes_s, hours.closes_s[rows])),
    )
