"""The polls that the files of a dry run bring: how they count once an earlier chunk, or file, has brought some of them.

Each poll is first counted against what is stored. Those that an earlier chunk may have held are few. At the end they are
counted again, against the chunk before. All polls wait in a temporary table until then, 13 bytes a poll.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, LastPolls
from services.ingest.write.counts import NO_ROWS, RowCounts
from shared.db.queries import queries

_SQL = queries("ingest")
_FIRST, _LAST, _WAS_ACTIVE, _WAS_STORED = 1, 2, 4, 8
_POLL: Final = np.dtype([("store", "<i4"), ("at_us", "<i8"), ("said", "u1")])
ABSENT: Final = 2  # the stored status of a poll that is not stored; 0 and 1: inactive, active
Statuses = NDArray[np.uint8]


class ComparedChunks:
    """The chunks of all files so far. A store is its number in all of them."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._conn.execute(_SQL["create_compared"])
        self._repeated: list[NDArray[np.int64]] = []

    def add_chunk(self, file: int, polls: LastPolls, stored: Statuses, maybe_repeated: Bools) -> RowCounts:
        """Keep one chunk of this file. Return how its polls count against what is `stored`."""
        rows = np.empty(len(polls), _POLL)
        rows["store"], rows["at_us"] = polls.store, polls.at_us
        rows["said"] = polls.first_active * _FIRST | polls.active * _LAST
        rows["said"] |= np.where(stored == ABSENT, 0, _WAS_STORED | stored * np.uint8(_WAS_ACTIVE)).astype(
            "u1"
        )
        self._conn.execute(_SQL["keep_compared"], {"file": file, "polls": rows.tobytes()})
        if maybe_repeated.any():
            self._repeated.append(_mix(rows[maybe_repeated]))
        return _count(rows["said"])

    def recount(self) -> Mapping[int, RowCounts]:
        """Return what to add to the counts of each file."""
        changes: defaultdict[int, RowCounts] = defaultdict(lambda: NO_ROWS)
        if not self._repeated:
            return changes
        wanted = np.unique(np.concatenate(self._repeated))
        files, parts = [], []
        with self._conn.transaction(), self._conn.cursor("compared_polls", binary=True) as chunks:
            chunks.itersize = 1
            for file, packed in chunks.execute(_SQL["list_compared"]):
                rows = np.frombuffer(packed, _POLL)
                parts.append(rows[np.isin(_mix(rows), wanted)])
                files.append(np.full(len(parts[-1]), file))
        for file, was, now in _find_repeats(np.concatenate(files), np.concatenate(parts)):
            first = _count(was), _count(now)
            changes[file] += RowCounts(*(b - a for a, b in zip(*map(_as_tuple, first), strict=True)))
        return changes


def _mix(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Return one number for the store and instant of each row. Two polls may share one."""
    return np.asarray(rows["at_us"] + rows["store"].astype(np.int64) * 0x1E3779B97F4A7C15, np.int64)


def _find_repeats(files: NDArray[np.int64], rows: NDArray[np.void]) -> list[tuple[int, Statuses, Statuses]]:
    """Return by file what its repeated polls said when they were compared, and what they say against the poll before."""
    order = np.lexsort((rows["at_us"], rows["store"]))
    files, rows = files[order], rows[order]
    again = np.zeros(len(rows), np.bool_)
    again[1:] = (np.diff(rows["store"]) == 0) & (np.diff(rows["at_us"]) == 0)
    was = rows["said"]
    before = np.roll(was, 1) & _LAST
    now = (was & (_FIRST | _LAST)) | _WAS_STORED | np.where(before, _WAS_ACTIVE, 0).astype("u1")
    return [
        (file, was[again & (files == file)], now[again & (files == file)])
        for file in np.unique(files[again]).tolist()
    ]


def _count(said: Statuses) -> RowCounts:
    """Count polls by what each says, first and last, and what was stored."""
    is_stored = said & _WAS_STORED > 0
    differs = (said & _FIRST > 0) != (said & _WAS_ACTIVE > 0)
    corrected = int(np.count_nonzero(is_stored & differs))
    accepted = int(np.count_nonzero(~is_stored))
    return RowCounts(accepted, len(said) - accepted - corrected, corrected)


def _as_tuple(counts: RowCounts) -> tuple[int, int, int]:
    return counts.accepted, counts.duplicate, counts.corrected
