"""Keeps the stored polls of some weeks in memory, eight bytes a poll, so that an import can compare its rows itself.

A week that is too large, or that too few rows were compared with so far, is left to the server. So is every week once a
store has a key that does not fit in the packed integer.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, LastPolls
from shared.clock import from_us
from shared.db.binary_rows import POLL_RECORD, decode_instants_us, decode_records
from shared.db.queries import queries

_SQL = queries("known_polls")
_ROW_BYTES = 52  # of a poll in its table, at least
_ALL_POLLS = 1 << 22  # 32 MB, plus 15 MB while a week is read
_PAGE_BYTES = 8192
_READ_PAGES = 1 << 11  # of a week at a time: 320,000 polls
_READ_SHARE = 8  # measured: reading a poll costs an eighth of having the server compare one
_TIME_BITS, _STORE_BITS = 40, 22  # a week in microseconds; 63 bits with the status
_AFTER_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class ComparedPolls:
    """Polls of one week, sorted by (store, at_us). `is_same` marks those that change nothing."""

    polls: LastPolls
    is_new: Bools
    is_same: Bools


class KnownPolls:
    """The weeks in memory. They are valid until another transaction changes data; then make a new `KnownPolls`."""

    def __init__(self) -> None:
        # Packed and sorted, with `_AFTER_ALL` at the end. The week used last is last.
        self._weeks: dict[int, NDArray[np.int64]] = {}
        # Polls that the server compared with a week since it was last in memory. So a file that alternates between more
        # weeks than fit costs at most twice what the server alone would.
        self._compared = Counter[int]()
        self._fits = True

    def compare_week(
        self, conn: psycopg.Connection, monday_us: int, polls: LastPolls
    ) -> ComparedPolls | None:
        """Compare polls with the week from `monday_us` on, and add them to it. Return None to leave it to the server."""
        self._check_fit(polls.store)
        if not self._fits:
            return None
        week = self._weeks.pop(monday_us, None)
        if week is None:
            week = self._read_week(conn, monday_us, len(polls))
        if week is None:
            return None
        packed = _pack_polls(polls.store, polls.at_us - monday_us, polls.active)
        order = np.argsort(packed)
        packed, polls = packed[order], polls.pick(order)
        place = np.searchsorted(week, packed & ~1)
        found = week[place]
        is_new = found >> 1 != packed >> 1
        was_active = (found & 1).astype(np.bool_)
        is_same = ~is_new & (was_active == polls.first_active) & (was_active == polls.active)
        week[place[~is_new]] = packed[~is_new]
        self._weeks[monday_us] = np.insert(week, place[is_new], packed[is_new]) if is_new.any() else week
        return ComparedPolls(polls, is_new, is_same)

    def _check_fit(self, stores: NDArray[np.int32]) -> None:
        if stores.max(initial=0) >> _STORE_BITS:
            self._fits = False
            self._weeks.clear()

    def _read_week(
        self, conn: psycopg.Connection, monday_us: int, comparing: int
    ) -> NDArray[np.int64] | None:
        monday = {"monday": from_us(monday_us)}
        ((week_bytes,),) = conn.execute(_SQL["week_bytes"], monday)
        polls = week_bytes // _ROW_BYTES
        self._compared[monday_us] += comparing
        if polls > min(_ALL_POLLS, self._compared[monday_us] * _READ_SHARE):
            return None
        del self._compared[monday_us]
        while self._weeks and polls + sum(map(len, self._weeks.values())) > _ALL_POLLS:
            del self._weeks[next(iter(self._weeks))]
        week, filled = np.empty(polls + 1, np.int64), 0
        for page in range(0, week_bytes // _PAGE_BYTES, _READ_PAGES):
            pages = {"first": f"({page},0)", "end": f"({page + _READ_PAGES},0)"}
            ((packed,),) = conn.cursor(binary=True).execute(_SQL["week_polls"], {**monday, **pages})
            rows = decode_records(packed, POLL_RECORD)
            self._check_fit(rows["store"])
            if not self._fits:
                return None
            since_us = decode_instants_us(rows["at_us"]) - monday_us
            week[filled : filled + len(rows)] = _pack_polls(rows["store"], since_us, rows["active"])
            filled += len(rows)
        week[filled] = _AFTER_ALL
        week = week[: filled + 1]
        week.sort()
        return week


def _pack_polls(
    store: NDArray[np.int32], since_monday_us: NDArray[np.int64], active: Bools
) -> NDArray[np.int64]:
    """Return store, instant and status in one integer, most significant first."""
    packed = store.astype(np.int64) << _TIME_BITS
    packed |= since_monday_us.astype(np.int64)
    packed <<= 1
    packed |= active
    return packed
