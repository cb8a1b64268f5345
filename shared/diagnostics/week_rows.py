"""Looks at the weekly hours of many stores at once: rows that overlap, and short ones.

A statement that compared each row with the one before took five times as long. Some stores at a time are read, so that memory
is bounded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.db.arrays import key_array
from shared.db.binary_rows import decode_records
from shared.db.queries import queries
from shared.diagnostics.registry import SHORT_SPAN_S

_SQL = queries("diagnostics")
_ROW: Final = np.dtype([("store", ">i4"), ("day", ">i2"), ("opens", ">i4"), ("closes", ">i4")])
_STORES_AT_ONCE: Final = 20_000
_DENSE: Final = 2
_DAY_S, _WEEK_S = 86_400, 604_800
_SEAMS: Final = (86_399, 86_340)  # read as 24:00

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class StoredWeeks:
    """Rows in the order of the primary key, in seconds since Monday 00:00. A row may end after the week: up to a day later."""

    store_key: Ints
    opens: Ints
    closes: Ints
    is_seam: Bools

    @classmethod
    def of_rows(cls, store_key: Ints, day: Ints, opens: Ints, closes: Ints) -> Self:
        """Return rows that are in the order of the primary key."""
        is_seam = np.isin(closes, _SEAMS)
        ends = np.where(is_seam, _DAY_S, closes + _DAY_S * (closes <= opens))
        return cls(store_key, day * _DAY_S + opens, day * _DAY_S + ends, is_seam)

    @property
    def open_early(self) -> Bools:
        """Which rows open before an earlier row of the store closes. What runs past Sunday comes again before Monday."""
        first = np.flatnonzero(np.diff(self.store_key, prepend=self.store_key[:1] - 1))
        store = np.repeat(np.arange(len(first)), np.diff(first, append=len(self.opens)))
        # Weeks of the stores one after the other, far enough apart that no row reaches into the next.
        shift = store * (2 * _WEEK_S)
        until = np.maximum.accumulate(self.closes + shift)
        before = np.concatenate((np.zeros(1, np.int64), until[:-1]))
        wrapped = np.maximum.reduceat(self.closes, first) - _WEEK_S
        return np.asarray((self.opens + shift < before) | (self.opens < wrapped[store]), np.bool_)


@dataclass
class WeekFindings:
    """What the weekly hours of some stores tell: how many rows there are, close at a seam, and overlap.

    `doubtful`: the stores with rows that overlap or are short.
    """

    rows: int = 0
    seams: int = 0
    overlapping: int = 0
    doubtful: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, rows: StoredWeeks) -> None:
        """Add the rows of other stores."""
        open_early = rows.open_early
        self.rows += len(rows.opens)
        self.seams += int(rows.is_seam.sum())
        self.overlapping += int(open_early.sum())
        is_doubtful = open_early | (rows.closes - rows.opens < SHORT_SPAN_S)
        self.doubtful = np.append(self.doubtful, np.unique(rows.store_key[is_doubtful]))


def look_at_weeks(conn: psycopg.Connection, store_keys: Sequence[int] | None) -> WeekFindings:
    """Return what the stored hours of these stores tell; None: of all stores."""
    found = WeekFindings()
    for rows in _read_weeks(conn, store_keys):
        found.add(rows)
    return found


def _read_weeks(conn: psycopg.Connection, store_keys: Sequence[int] | None) -> Iterator[StoredWeeks]:
    """Yield the weekly hours of the stores, or of all stores, some stores at a time."""
    if store_keys is None:
        ((first, last),) = conn.execute(_SQL["bounds_of_hours"])
        for start in range(first or 0, (last or 0) + 1, _STORES_AT_ONCE):
            yield from _read(conn, "week_rows", first=start, last=start + _STORES_AT_ONCE - 1)
        return
    keys = np.sort(np.array(store_keys, np.int64))
    for place in range(0, len(keys), _STORES_AT_ONCE):
        some = keys[place : place + _STORES_AT_ONCE]
        first, last = int(some[0]), int(some[-1])
        if last - first < _DENSE * len(some):
            # The stores of one load lie close together.
            yield from _read(conn, "week_rows", some, first=first, last=last)
        else:
            yield from _read(conn, "week_rows_of", some, store_keys=key_array(some))


def _read(
    conn: psycopg.Connection, query: str, wanted: Ints | None = None, **asked: object
) -> Iterator[StoredWeeks]:
    ((packed,),) = conn.execute(_SQL[query], asked, binary=True)
    rows = _sort(decode_records(packed, _ROW))
    if wanted is not None:
        rows = rows[np.isin(rows["store"], wanted)]
    if rows.size:
        store, day, opens, closes = (
            rows[name].astype(np.int64) for name in ("store", "day", "opens", "closes")
        )
        yield StoredWeeks.of_rows(store, day, opens, closes)


def _sort(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the rows in the order of the primary key, in which the index gives them."""
    columns = [rows[name].astype(np.int64) for name in ("closes", "opens", "day", "store")]
    closes, opens, day, store = columns
    time = (day * _DAY_S + opens) * _DAY_S + closes
    same = np.diff(store)
    is_sorted = bool(((same > 0) | ((same == 0) & (np.diff(time) > 0))).all())
    return rows if is_sorted else rows[np.lexsort(columns)]
