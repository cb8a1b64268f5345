"""Read the input of batches from Postgres, in one snapshot. Must not know the accounting."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from psycopg import IsolationLevel

from shared.db.queries import queries
from shared.reports.consistency import DataRange
from shared.reports.model import Batch
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Polls

_SQL = queries("load")
# 2000-01-01, from which Postgres counts.
_POSTGRES_EPOCH_US = 946_684_800_000_000
_POLL = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("active", "?")])
_HOURS = np.dtype([("store_key", ">i4"), ("day_of_week", ">i2"), ("opens_s", ">i4"), ("closes_s", ">i4")])
# Up to this many table entries per store, a lookup table is faster than a search for each poll.
_DENSE = 64


class Snapshot(NamedTuple):
    """What a database snapshot sees: its ledger number, and the import and time of the change with this number.

    The number alone could be given twice: after a restore, or by a standby that missed the last commits.
    """

    seq: int
    import_id: UUID | None
    committed_at: datetime | None
    newest_poll: datetime | None
    # The last change of dated or special hours, lifetimes, closures or calendars; 0 if there never was one.
    adjusted_seq: int = 0


class Changes(NamedTuple):
    """What changed between two snapshots: hours, zones, adjustments, and polls from `polls_from` on. None: no poll that matters."""

    hours: bool
    zones: bool
    adjustments: bool
    polls_from: datetime | None


@dataclass(frozen=True)
class Stores:
    """The stores of a batch in the order of the file: keys, ids and time zones. A zone of None is the default."""

    keys: Int64s
    ids: Sequence[str]
    zones: Sequence[str | None]


@contextmanager
def one_snapshot(conn: psycopg.Connection) -> Iterator[Snapshot]:
    """Run the block in one read-only snapshot and yield which one. `conn` must be outside a transaction."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            conn.execute("set transaction read only")
            row = conn.execute(_SQL["snapshot"]).fetchone()
            yield Snapshot(*row) if row else Snapshot(0, None, None, None)
    finally:
        conn.isolation_level = None


def changes_since(conn: psycopg.Connection, snapshot: Snapshot, within: DataRange) -> Changes | None:
    """Return what the current transaction sees and `snapshot` did not, for polls within this range.

    None if that cannot be known: the ledger does not have the snapshot, or has forgotten later changes.
    """
    row = conn.execute(
        _SQL["changes_since"],
        {**snapshot._asdict(), "from_time": within.from_time, "to_time": within.to_time},
    ).fetchone()
    return Changes(*row) if row else None


def read_stores(conn: psycopg.Connection, batch: Batch) -> Stores:
    """Read the stores of a batch. Raises RuntimeError unless there are as many as when the batch was made."""
    rows = conn.execute(
        _SQL["stores" if batch.store_keys is None else "stores_by_key"],
        {
            "first_id": batch.first_id,
            "last_id": batch.last_id,
            "accepted_seq": batch.accepted_seq,
            "store_keys": batch.store_keys,
        },
    ).fetchall()
    if len(rows) != batch.stores:
        raise RuntimeError(
            f"batch {batch.batch_no} holds {len(rows)} stores, not the {batch.stores} it was made of"
        )
    keys, ids, zones = zip(*rows, strict=True) if rows else ((), (), ())
    # Many stores share a zone, so they share its name in memory.
    return Stores(np.array(keys, dtype=np.int64), ids, [zone and sys.intern(zone) for zone in zones])


def read_hours(conn: psycopg.Connection, stores: Stores) -> Hours:
    """Read the opening hours of stores."""
    records = np.frombuffer(_read_packed(conn, "hours", stores, {}) or b"", dtype=_HOURS)
    return Hours(
        find_places(stores, records["store_key"]),
        *(records[name].astype(np.int64) for name in ("day_of_week", "opens_s", "closes_s")),
    )


def read_polls(conn: psycopg.Connection, stores: Stores, needed: DataRange) -> Polls:
    """Read the polls of stores that a report over this range needs."""
    return parse_polls(stores, _read_packed(conn, "polls", stores, needed._asdict()))


def read_polls_after(conn: psycopg.Connection, stores: Stores, after: datetime, to_time: datetime) -> Polls:
    """Read each poll of stores later than `after`, up to and including `to_time`."""
    within = {"after": after, "to_time": to_time}
    return parse_polls(stores, _read_packed(conn, "polls_after", stores, within))


def _read_packed(
    conn: psycopg.Connection, query: str, stores: Stores, parameters: Mapping[str, object]
) -> bytes | None:
    """Run a query whose one value is a row of big-endian records; None if there is no record."""
    # With sorted keys, the index of a partition is read once from left to right.
    given = {"store_keys": np.sort(stores.keys).tolist(), **parameters}
    packed = conn.execute(_SQL[query], given, binary=True).fetchone()
    return packed[0] if packed else None


def parse_polls(stores: Stores, packed: bytes | None) -> Polls:
    """Return the polls that a query packed into one value of big-endian records."""
    records = np.frombuffer(packed or b"", dtype=_POLL)
    at_us = records["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US
    return Polls(find_places(stores, records["store_key"]), at_us, records["active"])


def find_places(stores: Stores, wanted: np.ndarray) -> Int64s:
    """Return the index in `stores` of each wanted key. Every key must be there."""
    keys, order = stores.keys, np.argsort(stores.keys)
    first = int(keys[order[0]]) if len(order) else 0
    if len(order) and int(keys[order[-1]]) - first <= _DENSE * len(order):
        place = np.zeros(int(keys[order[-1]]) - first + 1, dtype=np.int64)
        place[keys - first] = np.arange(len(keys))
        return place[wanted.astype(np.int64) - first]
    positions: Int64s = order[np.searchsorted(keys, wanted.astype(np.int64), sorter=order)]
    return positions
