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
from services.ingest.write.packed_polls import KeyTooLarge, pack_polls, read_pages
from shared.clock import from_us
from shared.db.queries import queries

_SQL = queries("known_polls")
_ROW_BYTES = 52  # of a poll in its table, at least
_ALL_POLLS = 1 << 22  # 32 MB, plus 15 MB while a week is read
_PAGE_BYTES = 8192
_READ_SHARE = 8  # measured: reading a poll costs an eighth of having the server compare one
# A week gives way to another one only after as many polls of other weeks: a file that goes back and forth between more weeks
# than fit would have all of them read again and again.
_IDLE_POLLS = 1 << 20
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
        # How many polls had been compared when a week in memory was last used, and how many in all.
        self._used_at: dict[int, int] = {}
        self._done = 0
        # Polls that the server compared with a week since it was last in memory. So a file that alternates between more
        # weeks than fit costs at most twice what the server alone would.
        self._compared = Counter[int]()
        self._fits = True

    def has_week(self, monday_us: int) -> bool:
        """Return whether the week from `monday_us` on is in memory."""
        return monday_us in self._weeks

    def compare_week(
        self, conn: psycopg.Connection, monday_us: int, polls: LastPolls
    ) -> ComparedPolls | None:
        """Compare polls with the week from `monday_us` on, and add them to it. Return None to leave it to the server."""
        self._done += len(polls)
        try:
            packed = pack_polls(polls.store, polls.at_us - monday_us, polls.active)
            week = self._find_week(conn, monday_us, len(polls)) if self._fits else None
        except KeyTooLarge:
            self._fits = False
            self._weeks.clear()
            return None
        if week is None:
            return None
        order = np.argsort(packed)
        packed, polls = packed[order], polls.pick(order)
        place = np.searchsorted(week, packed & ~1)
        found = week[place]
        is_new = found >> 1 != packed >> 1
        was_active = (found & 1).astype(np.bool_)
        is_same = ~is_new & (was_active == polls.first_active) & (was_active == polls.active)
        week[place[~is_new]] = packed[~is_new]
        self._weeks[monday_us] = np.insert(week, place[is_new], packed[is_new]) if is_new.any() else week
        self._used_at[monday_us] = self._done
        return ComparedPolls(polls, is_new, is_same)

    def _find_week(
        self, conn: psycopg.Connection, monday_us: int, comparing: int
    ) -> NDArray[np.int64] | None:
        """Take the week out of memory, or read it if that is worth it and there is room."""
        if monday_us in self._weeks:
            return self._weeks.pop(monday_us)
        ((week_bytes,),) = conn.execute(_SQL["week_bytes"], {"monday": from_us(monday_us)})
        polls = week_bytes // _ROW_BYTES
        self._compared[monday_us] += comparing
        if polls > self._compared[monday_us] * _READ_SHARE or not self._make_room(polls):
            return None
        del self._compared[monday_us]
        week, filled = np.empty(polls + 1, np.int64), 0
        for packed in read_pages(conn, monday_us, 0, week_bytes // _PAGE_BYTES):
            week[filled : filled + len(packed)] = packed
            filled += len(packed)
        week[filled] = _AFTER_ALL
        week = week[: filled + 1]
        week.sort()
        return week

    def _make_room(self, polls: int) -> bool:
        """Forget weeks that have been idle for long, the longest first. Return False if that is not enough: then forget none."""
        room = _ALL_POLLS - sum(map(len, self._weeks.values()))
        idle = []
        for week, known in self._weeks.items():
            if polls > room and self._done - self._used_at[week] >= _IDLE_POLLS:
                idle.append(week)
                room += len(known)
        if polls > room:
            return False
        for week in idle:
            del self._weeks[week]
        return True
