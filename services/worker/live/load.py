"""Read what the live state of a batch is computed from, unless nothing can have changed since the last refresh."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import psycopg

from services.worker.context import WorkerContext
from services.worker.live.known_rows import LastRefresh
from services.worker.load import Snapshot
from shared.clock import from_us, to_us
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores, parse_polls
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.live import POLICY, border_range_us, history_from_us
from shared.uptime.policy import DAY_US, history_us
from shared.uptime.states import Polls

_SQL = queries("now")
_NO_KEYS: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class LiveInput:
    """The keys of a batch's stores at `now`. `given` is None if no row can have changed; then `changes_at` still holds.

    `given` is also None if the stores are too many for one batch, which `changes_at` None says; then the keys are left out.
    `is_final` is false if old polls were not searched for, because a load has unindexed weeks: then the rows hold for no time.
    `last` is the refresh before this one.
    """

    now: datetime
    snapshot: Snapshot
    stores: int
    keys: Int64s
    given: BatchInput | None
    changes_at: datetime | None
    is_final: bool = True
    last: LastRefresh | None = None


def load_live(
    conn: psycopg.Connection, context: WorkerContext, batch: Batch, snapshot: Snapshot
) -> LiveInput:
    """Return the input of a batch, in the caller's snapshot."""
    ((now,),) = conn.execute(_SQL["instant"]).fetchall()
    ((stores,),) = conn.execute(_SQL["count_stores"], _range(batch)).fetchall()
    if stores > context.live.most_stores:
        return LiveInput(now, snapshot, stores, _NO_KEYS, None, None)
    keys = _read_keys(conn, context, batch, stores)
    last = _read_last(conn, batch)
    if last and last.made_by == context.live.made_by and now < last.changes_at:
        same = (last.seq, last.import_id, last.committed_at) == snapshot[:3]
        if same or not _is_touched(conn, keys, last, to_us(now)):
            return LiveInput(now, snapshot, stores, keys, None, last.changes_at, last=last)
    given, is_final = _read_input(conn, context, batch, keys, snapshot, to_us(now))
    return LiveInput(now, snapshot, stores, keys, given, now, is_final, last)


def _range(batch: Batch) -> dict[str, str | None]:
    return {"first_id": batch.first_id, "last_id": batch.last_id}


def _read_keys(conn: psycopg.Connection, context: WorkerContext, batch: Batch, stores: int) -> Int64s:
    """Return the keys in the order of the ids. Stores are never deleted: a range that holds as many holds the same."""
    key = (batch.report_id, batch.batch_no)
    known = context.live_keys.get(key)
    if known is not None and len(known) == stores:
        return known
    row = conn.execute(_SQL["stores"], _range(batch), binary=True).fetchone()
    keys = np.frombuffer(row[0] if row and row[0] else b"", dtype=">i4").astype(np.int64)
    context.live_keys.put(key, keys, keys.nbytes)
    return keys


def _read_last(conn: psycopg.Connection, batch: Batch) -> LastRefresh | None:
    of_batch = {"report_id": batch.report_id, "batch_no": batch.batch_no}
    row = conn.execute(_SQL["batch"], of_batch).fetchone()
    return LastRefresh(*row) if row else None


def _is_touched(conn: psycopg.Connection, keys: Int64s, last: LastRefresh, now_us: int) -> bool:
    asked = {
        "seq": last.seq,
        "import_id": last.import_id,
        "committed_at": last.committed_at,
        "store_keys": key_array(np.sort(keys)),
        "from_time": from_us(history_from_us(now_us)),
        "to_time": from_us(border_range_us(now_us)[1]),
    }
    row = conn.execute(_SQL["touched"], asked, prepare=False).fetchone()
    return row is None or bool(row[0])


def _read_input(
    conn: psycopg.Connection,
    context: WorkerContext,
    batch: Batch,
    keys: Int64s,
    snapshot: Snapshot,
    now_us: int,
) -> tuple[BatchInput, bool]:
    """Read as for a report whose one window reaches over all polls and borders that the rule looks at. Also return `is_final`."""
    from_us_, to_us_ = history_from_us(now_us), border_range_us(now_us)[1]
    as_report = replace(
        batch,
        stores=len(keys),
        store_keys=keys.tolist(),
        as_of=from_us(to_us_),
        policy=POLICY.name,
        windows=[f"P{(to_us_ - from_us_) // DAY_US}D"],
    )
    given = context.inputs.load_input(conn, as_report, snapshot)
    polls, is_final = _with_old_polls(conn, keys, given.polls, from_us_ - history_us(POLICY))
    return replace(given, polls=polls), is_final


def _with_old_polls(
    conn: psycopg.Connection, keys: Int64s, polls: Polls, before_us: int
) -> tuple[Polls, bool]:
    """Add the last polls of the stores that have none in what was read. Return false if they could not be searched for."""
    has = np.zeros(len(keys), dtype=np.bool_)
    has[polls.store] = True
    if has.all():
        return polls, True
    asked = {"store_keys": key_array(keys[~has]), "before": from_us(before_us)}
    packed, is_final = conn.execute(_SQL["last_polls"], asked, binary=True, prepare=False).fetchone() or (
        None,
        True,
    )
    old = parse_polls(Stores(keys, (), ()), packed or b"")
    joined = Polls(
        *(np.concatenate((getattr(old, name), getattr(polls, name))) for name in ("store", "at_us", "active"))
    )
    return joined, is_final
