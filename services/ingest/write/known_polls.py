"""The polls of weeks that an import compares its rows with: read once, eight bytes a poll, and kept while they are true.

Knows nothing of counts. A week that is too large, or of which too little was asked yet, is left to the server.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import LastPolls
from services.ingest.write.binary_rows import POLL_RECORD, decode_instants_us, decode_records
from shared.clock import from_us
from shared.db.queries import queries

_SQL = queries("known_polls")
_ROW_BYTES = 52  # of a poll in its table
_WEEK_POLLS, _ALL_POLLS = 1 << 20, 1 << 22  # 32 MB in all, and 13 MB more while a week is read
_SHARE = 8  # to read a poll costs an eighth of having the server compare one
_TIME_BITS, _STORE_BITS = 40, 22  # a week in microseconds; with the status 63 bits
_AFTER_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Compared:
    """Deliveries of one week, sorted by (store, at_us), by what the week holds: masks."""

    deliveries: LastPolls
    is_new: NDArray[np.bool_]
    is_same: NDArray[np.bool_]  # the status it has, delivered once or over and over


class KnownPolls:
    """The weeks known to one writer, who makes a new one when another transaction has changed data."""

    def __init__(self) -> None:
        # Packed and sorted, `_AFTER_ALL` at the end; the one used last is last.
        self._weeks: dict[int, NDArray[np.int64]] = {}
        # What the server compared of a week since it was known. A file that jumps between more weeks than are kept
        # costs at most twice what the server alone would.
        self._asked = Counter[int]()

    def compare(self, conn: psycopg.Connection, monday_us: int, deliveries: LastPolls) -> Compared | None:
        """Compare deliveries of the week from `monday_us` on and take them for written; None leaves it to the server."""
        if int(deliveries.store.max()) >> _STORE_BITS:
            return None
        week = self._weeks.pop(monday_us, None)
        if week is None:
            week = self._read(conn, monday_us, len(deliveries))
        if week is None:
            return None
        polls = _packed(deliveries.store, deliveries.at_us - monday_us, deliveries.active)
        order = np.argsort(polls)
        polls, deliveries = polls[order], deliveries.pick(order)
        place = np.searchsorted(week, polls & ~1)
        found = week[place]
        is_new = found >> 1 != polls >> 1
        was_active = (found & 1).astype(np.bool_)
        is_same = ~is_new & (was_active == deliveries.first_active) & (was_active == deliveries.active)
        week[place[~is_new]] = polls[~is_new]
        self._weeks[monday_us] = np.insert(week, place[is_new], polls[is_new])
        return Compared(deliveries, is_new, is_same)

    def _read(self, conn: psycopg.Connection, monday_us: int, asked: int) -> NDArray[np.int64] | None:
        monday = {"monday": from_us(monday_us)}
        ((week_bytes,),) = conn.execute(_SQL["week_bytes"], monday)
        polls = week_bytes // _ROW_BYTES
        self._asked[monday_us] += asked
        if polls > min(_WEEK_POLLS, self._asked[monday_us] * _SHARE):
            return None
        del self._asked[monday_us]
        while self._weeks and polls + sum(map(len, self._weeks.values())) > _ALL_POLLS:
            del self._weeks[next(iter(self._weeks))]
        ((packed,),) = conn.cursor(binary=True).execute(_SQL["week_polls"], monday)
        rows = decode_records(packed, POLL_RECORD)
        week = np.empty(len(rows) + 1, np.int64)
        week[:-1] = _packed(rows["store"], decode_instants_us(rows["at_us"]) - monday_us, rows["active"])
        week[-1] = _AFTER_ALL
        week.sort()
        return week


def _packed(
    store: NDArray[np.int32], since_monday_us: NDArray[np.int64], active: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Store, instant and status in one integer, in that order of weight."""
    packed = store.astype(np.int64) << _TIME_BITS
    packed |= since_monday_us.astype(np.int64)
    packed <<= 1
    packed |= active
    return packed
