"""Read the input of batches from Postgres, in one snapshot. Must not know the accounting."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from psycopg import IsolationLevel

from services.worker.sealed_polls import add_last_before, add_needed, add_rows
from shared.clock import from_us
from shared.db.arrays import instant_array, key_array
from shared.db.queries import queries
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores, parse_hours, parse_polls
from shared.reports.batch import Batch
from shared.sealed.reader import NONE_SEALED, SealedPolls
from shared.storage import Storage
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Polls
from shared.uptime.policy import Policy

_SQL = queries("load")
_INSTANT: Final = timedelta(microseconds=1)


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
    sealed: SealedPolls = NONE_SEALED


class Changes(NamedTuple):
    """What changed between two snapshots: hours, zones, adjustments, and polls from `polls_from` on. None: no poll that matters."""

    hours: bool
    zones: bool
    adjustments: bool
    polls_from: datetime | None


@contextmanager
def one_snapshot(
    conn: psycopg.Connection, storage: Storage | None = None, *, table: str = "observation"
) -> Iterator[Snapshot]:
    """Run the block in one read-only snapshot and yield which one. `conn` must be outside a transaction.

    `storage` has the sealed weeks. Without it, the block cannot read polls of one. While the block runs, no week of `table`
    is sealed: of all polls, or of one partition.
    """
    conn.isolation_level, conn.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with conn.transaction():
            # Before the snapshot is taken: a week that it sees as a partition must stay one.
            conn.execute(queries("sealed")["lock_table"].replace(b"observation", table.encode()))
            row = conn.execute(_SQL["snapshot"]).fetchone()
            seq, import_id, committed_at, newest, adjusted_seq, until = row or (0, None, None, None, 0, None)
            sealed = SealedPolls(storage, until)
            yield Snapshot(seq, import_id, committed_at, newest, adjusted_seq, sealed)
    finally:
        conn.isolation_level = conn.read_only = None


def changes_since(conn: psycopg.Connection, snapshot: Snapshot, within: DataRange) -> Changes | None:
    """Return what the current transaction sees and `snapshot` did not, for polls within this range.

    None if that cannot be known: the ledger does not have the snapshot, or has forgotten later changes.
    """
    row = conn.execute(
        _SQL["changes_since"],
        {
            "seq": snapshot.seq,
            "import_id": snapshot.import_id,
            "committed_at": snapshot.committed_at,
            "from_time": within.from_time,
            "to_time": within.to_time,
        },
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


def read_names(conn: psycopg.Connection, batch: Batch) -> Sequence[str | None]:
    """Read the names that the stores of a batch have now, in the order of the stores."""
    keys = read_stores(conn, batch).keys.tolist()
    names: dict[int, str | None] = dict(conn.execute(_SQL["names"], {"store_keys": keys}).fetchall())
    return [names[key] for key in keys]


def read_hours(conn: psycopg.Connection, stores: Stores) -> Hours:
    """Read the opening hours of stores."""
    return parse_hours(stores, _read_packed(conn, "hours", stores, {}))


def read_polls(conn: psycopg.Connection, stores: Stores, needed: DataRange, sealed: SealedPolls) -> Polls:
    """Read the polls of stores that a report over this range needs."""
    polls = parse_polls(stores, _read_packed(conn, "polls", stores, needed._asdict()))
    return add_needed(polls, stores, sealed.read(conn, stores, needed.from_time, needed.to_time), needed)


def read_polls_after(
    conn: psycopg.Connection, stores: Stores, after: datetime, to_time: datetime, sealed: SealedPolls
) -> Polls:
    """Read each poll of stores later than `after`, up to and including `to_time`."""
    within = {"after": after, "to_time": to_time}
    polls = parse_polls(stores, _read_packed(conn, "polls_after", stores, within))
    return add_rows(polls, stores, sealed.read(conn, stores, after + _INSTANT, to_time))


def read_polls_before(
    conn: psycopg.Connection,
    stores: Stores,
    places: Int64s,
    before_us: Int64s,
    policy: Policy,
    sealed: SealedPolls,
) -> Polls:
    """Read for some stores, given by their indexes, the polls that speak just before an instant of each store."""
    if not len(places):
        return Polls(places, before_us, np.zeros(0, dtype=np.bool_))
    from_time = from_us(int(before_us.min()) - policy.horizon_us - policy.slot_us)
    to_time = from_us(int(before_us.max()))
    given = {
        "store_keys": key_array(stores.keys[places]),
        "before": instant_array(before_us),
        "slot": timedelta(microseconds=policy.slot_us),
        "history": timedelta(microseconds=policy.horizon_us + policy.slot_us),
        "from_time": from_time,
        "to_time": to_time,
    }
    packed = conn.execute(_SQL["polls_before"], given, binary=True).fetchone()
    some = stores.choose(places)
    polls = parse_polls(some, packed[0] if packed and packed[0] else b"")
    if rows := sealed.read(conn, some, from_time, to_time):
        polls = add_last_before(polls, some, rows, before_us, policy)
    return Polls(places[polls.store], polls.at_us, polls.active)


def _read_packed(
    conn: psycopg.Connection, query: str, stores: Stores, parameters: Mapping[str, object]
) -> bytes:
    """Run a query whose one value is a row of big-endian records."""
    # With sorted keys, the index of a partition is read once from left to right.
    given = {"store_keys": key_array(np.sort(stores.keys)), **parameters}
    packed = conn.execute(_SQL[query], given, binary=True).fetchone()
    return packed[0] if packed and packed[0] else b""
