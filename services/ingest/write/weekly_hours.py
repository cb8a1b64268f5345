"""Replaces the weekly hours of the stores that a delivery names, some stores at a time, in the caller's transaction."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.prefetch import prefetch
from services.ingest.write.hours_values import (
    DATE_BITS,
    WEEKLY_BITS,
    Ints,
    pack_times,
    seconds_open,
)
from services.ingest.write.wanted_hours import WantedHours
from shared.db.arrays import key_array
from shared.db.binary_rows import copy_rows, decode_records
from shared.db.queries import queries
from shared.diagnostics.week_rows import StoredWeeks, WeekFindings

_SQL = queries("ingest")
_STORED: Final = np.dtype([("store", ">i4"), ("day", ">i2"), ("opens", ">i4"), ("closes", ">i4")])

# A store's key, its weekly opening time before and after in seconds, and the date of its hours, if they have one.
ShrunkKey = tuple[int, int, int, date | None]
# Called after each step with the rows that are done, and all of them.
OnStep = Callable[[int, int], None]


@dataclass
class HoursOutcome:
    """What changed: the places in the delivery of the files that brought the new rows, and how many rows are gone.

    Rows that are gone count for the file with the first row of their store that stays or is new.
    `shrunk`: stores that lose more than half of their opening time, with the seconds a week before and after, and from
    which date on. `weeks`: what the new weeks tell.
    """

    added: list[NDArray[np.int16]] = field(default_factory=list)
    removed: Counter[int] = field(default_factory=Counter)
    shrunk: list[ShrunkKey] = field(default_factory=list)
    weeks: WeekFindings = field(default_factory=WeekFindings)


def replace_weekly_hours(
    conn: psycopg.Connection, wanted: WantedHours, seq: int, on_step: OnStep
) -> HoursOutcome:
    """Replace the hours of all stores in `wanted`. No statement takes longer than a second or two, and progress shows."""
    outcome = HoursOutcome()
    # The weeks are looked at while Postgres writes the step before.
    with prefetch(_look_at_steps(wanted, outcome.weeks)) as steps:
        for start, end in steps:
            _replace_step(conn, wanted, slice(start, end), seq, outcome)
            on_step(end, len(wanted.row))
    return outcome


def _look_at_steps(wanted: WantedHours, weeks: WeekFindings) -> Iterator[tuple[int, int]]:
    for start, end in wanted.steps():
        columns = wanted.columns(wanted.row[start:end])
        weeks.add(StoredWeeks.of_rows(*(columns[name] for name in ("store_keys", "days", "opens", "closes"))))
        yield start, end


def _replace_step(
    conn: psycopg.Connection, wanted: WantedHours, step: slice, seq: int, outcome: HoursOutcome
) -> None:
    row, file = wanted.row[step], wanted.file[step]
    first, last = int(row[0] >> WEEKLY_BITS), int(row[-1] >> WEEKLY_BITS)
    stores = wanted.week[first : last + 1] >> DATE_BITS
    stored = _read_stored(conn, stores)
    if stored.size:
        stored += first << WEEKLY_BITS
        outcome.shrunk += _find_shrunk(wanted, row, stored)
        gone = stored[~np.isin(stored, row, assume_unique=True)]
        if gone.size:
            _remove(conn, wanted, gone, seq)
            # Every store in a step has rows in it.
            outcome.removed.update(file[np.searchsorted(row, gone >> WEEKLY_BITS << WEEKLY_BITS)].tolist())
        fresh = ~np.isin(row, stored, assume_unique=True)
        row, file = row[fresh], file[fresh]
    if row.size:
        _add(conn, wanted, row, seq)
        outcome.added.append(file)


def _read_stored(conn: psycopg.Connection, stores: Ints) -> Ints:
    """Return the stored rows as `WantedHours` has them. A store is its place in `stores`, which are sorted."""
    bounds = {"first": int(stores[0]), "last": int(stores[-1])}
    # The stores of a first load have adjacent keys.
    if conn.execute(_SQL["has_hours_between"], bounds).fetchone() == (False,):
        return np.zeros(0, np.int64)
    ((packed,),) = conn.execute(_SQL["stored_hours"], {"store_keys": key_array(stores)}, binary=True)
    found = decode_records(packed, _STORED)
    place = np.searchsorted(stores, found["store"].astype(np.int64))
    times = pack_times(*(found[name].astype(np.int64) for name in ("day", "opens", "closes")))
    return np.asarray(place << WEEKLY_BITS | times, np.int64)


def _find_shrunk(wanted: WantedHours, row: Ints, stored: Ints) -> list[ShrunkKey]:
    first = int(row[0] >> WEEKLY_BITS)
    after, before = (
        np.bincount(
            (rows >> WEEKLY_BITS) - first, seconds_open(rows), int(row[-1] >> WEEKLY_BITS) - first + 1
        )
        for rows in (row, stored)
    )
    return [
        (int(wanted.week[first + place] >> DATE_BITS), int(before[place]), int(after[place]), None)
        for place in np.flatnonzero(2 * after < before).tolist()
    ]


def _remove(conn: psycopg.Connection, wanted: WantedHours, row: Ints, seq: int) -> None:
    columns = {name: key_array(values) for name, values in wanted.columns(row).items()}
    conn.execute(_SQL["remove_hours"], {**columns, "seq": seq})


def _add(conn: psycopg.Connection, wanted: WantedHours, row: Ints, seq: int) -> None:
    given = wanted.columns(row)
    copy_rows(
        conn,
        "business_hours",
        "store_key day_of_week opens closes since_seq",
        given["store_keys"].astype(np.int32),
        given["days"].astype(np.int16),
        given["opens"].astype(np.int32),
        given["closes"].astype(np.int32),
        np.full(len(row), seq, np.int64),
    )
