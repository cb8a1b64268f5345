"""Read what the live state of a batch is computed from, unless nothing can have changed since the last refresh."""

import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import psycopg

from services.worker.context import WorkerContext
from services.worker.load import Snapshot
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores, parse_polls
from shared.reports.batch import Batch
from shared.uptime.live import POLICY, border_range_us, history_from_us
from shared.uptime.policy import DAY_US, history_us
from shared.uptime.states import Polls

_SQL = queries("now")
_ADJUSTMENTS_REACH: Final = timedelta(days=1)


@dataclass(frozen=True)
class LiveInput:
    """The stores of a batch at `now`. `given` is None if no row can have changed; then `changes_at` still holds.

    It is also None if the stores are too many for one batch, which `changes_at` None says.
    """

    now: datetime
    snapshot: Snapshot
    stores: Stores
    given: BatchInput | None
    changes_at: datetime | None


class _LastRefresh(NamedTuple):
    seq: int
    import_id: UUID | None
    committed_at: datetime | None
    made_by: str
    changes_at: datetime


def load_live(
    conn: psycopg.Connection, context: WorkerContext, batch: Batch, snapshot: Snapshot
) -> LiveInput:
    """Return the input of a batch, in the caller's snapshot."""
    ((now,),) = conn.execute(_SQL["instant"]).fetchall()
    stores = _read_range(conn, batch, context.live.most_stores + 1)
    if len(stores.ids) > context.live.most_stores:
        return LiveInput(now, snapshot, stores, None, None)
    last = _read_last(conn, batch)
    if last and last.made_by == context.live.made_by and now < last.changes_at:
        same = (last.seq, last.import_id, last.committed_at) == snapshot[:3]
        if same or not _is_touched(conn, stores, last, to_us(now)):
            return LiveInput(now, snapshot, stores, None, last.changes_at)
    given = _read_input(conn, context, batch, stores, snapshot, to_us(now))
    return LiveInput(now, snapshot, stores, given, now)


def _read_range(conn: psycopg.Connection, batch: Batch, limit: int) -> Stores:
    within = {"first_id": batch.first_id, "last_id": batch.last_id, "limit": limit}
    rows = conn.execute(_SQL["stores"], within).fetchall()
    keys, ids, zones = zip(*rows, strict=True) if rows else ((), (), ())
    return Stores(np.array(keys, dtype=np.int64), ids, [zone and sys.intern(zone) for zone in zones])


def _read_last(conn: psycopg.Connection, batch: Batch) -> _LastRefresh | None:
    of_batch = {"report_id": batch.report_id, "batch_no": batch.batch_no}
    row = conn.execute(_SQL["batch"], of_batch).fetchone()
    return _LastRefresh(*row) if row else None


def _is_touched(conn: psycopg.Connection, stores: Stores, last: _LastRefresh, now_us: int) -> bool:
    asked = {
        "seq": last.seq,
        "import_id": last.import_id,
        "committed_at": last.committed_at,
        "store_keys": np.sort(stores.keys).tolist(),
        "from_time": from_us(history_from_us(now_us)),
        "to_time": from_us(border_range_us(now_us)[1]),
    }
    row = conn.execute(_SQL["touched"], asked, prepare=False).fetchone()
    return row is None or bool(row[0])


def _read_input(
    conn: psycopg.Connection,
    context: WorkerContext,
    batch: Batch,
    stores: Stores,
    snapshot: Snapshot,
    now_us: int,
) -> BatchInput:
    """Read as for a report whose one window reaches over all polls and borders that the rule looks at."""
    from_us_, to_us_ = history_from_us(now_us), border_range_us(now_us)[1]
    as_report = replace(
        batch,
        stores=len(stores.ids),
        store_keys=stores.keys.tolist(),
        as_of=from_us(to_us_),
        policy=POLICY.name,
        windows=[f"P{(to_us_ - from_us_) // DAY_US}D"],
    )
    given = context.inputs.load_input(conn, as_report, snapshot)
    return replace(given, polls=_with_old_polls(conn, stores, given.polls, from_us_ - history_us(POLICY)))


def _with_old_polls(conn: psycopg.Connection, stores: Stores, polls: Polls, before_us: int) -> Polls:
    """Add the last polls of the stores that have none in what was read."""
    has = np.zeros(len(stores.ids), dtype=np.bool_)
    has[polls.store] = True
    if has.all():
        return polls
    asked = {"store_keys": stores.keys[~has].tolist(), "before": from_us(before_us)}
    packed = conn.execute(_SQL["last_polls"], asked, binary=True, prepare=False).fetchone()
    old = parse_polls(stores, packed[0] if packed and packed[0] else b"")
    return Polls(
        *(np.concatenate((getattr(old, name), getattr(polls, name))) for name in ("store", "at_us", "active"))
    )
