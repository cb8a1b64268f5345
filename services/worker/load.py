"""Reading the input of batches from Postgres, in one snapshot. Knows no accounting."""

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
from shared.reports.agree import DataRange
from shared.reports.model import Batch
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Polls

_SQL = queries("load")
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which Postgres counts
_POLL = np.dtype([("store_key", ">i4"), ("at_us", ">i8"), ("active", "?")])
_DENSE = 64  # a table of so many places a store is faster than a search for each poll
_HOURS = np.dtype([("store_key", ">i4"), ("day_of_week", ">i2"), ("opens_s", ">i4"), ("closes_s", ">i4")])


class Moment(NamedTuple):
    """The data that a snapshot sees: its ledger number, and the import and time of the change that has this number.

    A number alone could be given twice: after a restore, or by a standby that had missed the last commits.
    """

    seq: int
    import_id: UUID | None
    committed_at: datetime | None
    newest_poll: datetime | None


class Changes(NamedTuple):
    """What was changed between two moments: hours, zones, and polls from which instant on (None: none that matter)."""

    hours: bool
    zones: bool
    polls_from: datetime | None


@dataclass(frozen=True)
class Stores:
    """The stores of a batch in the order of the file: keys, ids, and time zones (None: the default)."""

    keys: Int64s
    ids: Sequence[str]
    zones: Sequence[str | None]


@contextmanager
def one_snapshot(conn: psycopg.Connection) -> Iterator[Moment]:
    """Read everything of the block at one moment, and yield it. `conn` must be outside a transaction."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            conn.execute("set transaction read only")
            row = conn.execute(_SQL["moment"]).fetchone()
            yield Moment(*row) if row else Moment(0, None, None, None)
    finally:
        conn.isolation_level = None


def changes_since(conn: psycopg.Connection, moment: Moment, within: DataRange) -> Changes | None:
    """What the snapshot of the caller's transaction sees and that moment did not, of polls within that time.

    None where nobody can tell: the ledger does not know the moment.
    """
    row = conn.execute(
        _SQL["changes_since"],
        {**moment._asdict(), "from_time": within.from_time, "to_time": within.to_time},
    ).fetchone()
    return Changes(*row) if row else None


def read_stores(conn: psycopg.Connection, batch: Batch) -> Stores:
    """Read the stores of a batch. Raises RuntimeError where they are not as many as it was made of."""
    rows = conn.execute(
        _SQL["stores" if batch.store_keys is None else "stores_by_key"],
        {
            "first_id": batch.first_id,
            "last_id": batch.last_id,
            "data_cut": batch.data_cut,
            "store_keys": batch.store_keys,
        },
    ).fetchall()
    if len(rows) != batch.stores:
        raise RuntimeError(
            f"batch {batch.batch_no} holds {len(rows)} stores, not the {batch.stores} it was made of"
        )
    keys, ids, zones = zip(*rows, strict=True) if rows else ((), (), ())
    # Many stores share a zone, and may share its name.
    return Stores(np.array(keys, dtype=np.int64), ids, [zone and sys.intern(zone) for zone in zones])


def read_hours(conn: psycopg.Connection, stores: Stores) -> Hours:
    """Read the opening hours of stores."""
    records = _records(conn, "hours", stores, {}, _HOURS)
    return Hours(
        _places(stores, records["store_key"]),
        *(records[name].astype(np.int64) for name in ("day_of_week", "opens_s", "closes_s")),
    )


def read_polls(conn: psycopg.Connection, stores: Stores, needed: DataRange) -> Polls:
    """Read the polls of stores that can matter."""
    return _polls(stores, _records(conn, "polls", stores, needed._asdict(), _POLL))


def read_polls_after(conn: psycopg.Connection, stores: Stores, after: datetime, to_time: datetime) -> Polls:
    """Read each poll of stores later than `after`, up to `to_time`."""
    within = {"after": after, "to_time": to_time}
    return _polls(stores, _records(conn, "polls_after", stores, within, _POLL))


def _records(
    conn: psycopg.Connection,
    query: str,
    stores: Stores,
    parameters: Mapping[str, object],
    layout: np.dtype[np.void],
) -> np.ndarray:
    """Run a query of one value, big-endian records in a row, and view it as they are laid out."""
    # In order of the keys the index of a partition is read once from left to right.
    given = {"store_keys": np.sort(stores.keys).tolist(), **parameters}
    packed = conn.execute(_SQL[query], given, binary=True).fetchone()
    return np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=layout)


def _polls(stores: Stores, records: np.ndarray) -> Polls:
    at_us = records["at_us"].astype(np.int64) + _POSTGRES_EPOCH_US
    return Polls(_places(stores, records["store_key"]), at_us, records["active"])


def _places(stores: Stores, wanted: np.ndarray) -> Int64s:
    """Indices of the stores with the keys `wanted`; every one is there."""
    keys, order = stores.keys, np.argsort(stores.keys)
    first = int(keys[order[0]]) if len(order) else 0
    if len(order) and int(keys[order[-1]]) - first <= _DENSE * len(order):
        place = np.zeros(int(keys[order[-1]]) - first + 1, dtype=np.int64)
        place[keys - first] = np.arange(len(keys))
        return place[wanted.astype(np.int64) - first]
    positions: Int64s = order[np.searchsorted(keys, wanted.astype(np.int64), sorter=order)]
    return positions
