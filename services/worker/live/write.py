"""Complete a batch of live state: write the rows that differ, the changes of states, and how long all of them hold."""

from typing import Final, NamedTuple

import numpy as np
import psycopg

from services.worker.live.load import LiveInput
from services.worker.live.rows import STATE_NAMES, LiveTable
from shared import failpoints
from shared.clock import from_us
from shared.db.arrays import int_array, key_array
from shared.db.queries import queries
from shared.live.terms import LiveTerms
from shared.reports.batch import BatchLease
from shared.reports.complete import Completion
from shared.uptime.intervals import Int64s

_SQL, _REPORTS = queries("now"), queries("reports")
_KNOWN: Final = np.dtype([("store_key", ">i4"), ("digest", ">i8"), ("lasting", ">i8"), ("state", ">i4")])


def complete_live(
    conn: psycopg.Connection, lease: BatchLease, terms: LiveTerms, found: LiveInput, table: LiveTable | None
) -> Completion:
    """Write the rows and make the batch due again, in one transaction, if the attempt is the current one.

    The report's row is locked first, so that the ids of changes ascend in the order of the commits. Without a table, only
    the instant of the refresh is written.
    """
    batch = lease.batch
    fence = {"report_id": batch.report_id, "batch_no": batch.batch_no, "attempt": lease.attempt}
    with conn.transaction():
        conn.execute(_REPORTS["lock_report"], fence)
        done = conn.execute(_SQL["lock_batch"], {**fence, "stores": found.stores})
        if done.rowcount != 1:
            return Completion(accepted=False)
        if table is not None:
            _write_rows(conn, lease, found, table)
        changes_at = found.changes_at if table is None or not found.is_final else from_us(table.changes_us)
        if changes_at is not None:
            noted = {**fence, **found.snapshot._asdict(), "made_by": terms.made_by, "changes_at": changes_at}
            conn.execute(_SQL["note_refresh"], {**noted, "refreshed_at": found.now})
            conn.execute(_SQL["tell_refreshed"])
        failpoints.hit("complete.before_commit")
    return Completion(accepted=True)


def _write_rows(conn: psycopg.Connection, lease: BatchLease, found: LiveInput, table: LiveTable) -> None:
    keys, known = found.keys, _read_rows(conn, found.keys)
    given = {"batch_no": lease.batch.batch_no, "refreshed_at": found.now}
    if len(new := np.flatnonzero(known.state == 0)):
        conn.execute(_SQL["insert_rows"], {**given, "store_key": key_array(keys[new])}, prepare=False)
    differs = (known.state == 0) | (known.digest != table.digests)
    has_moved = (known.state == 0) | (known.digest ^ known.lasting != table.lasting)
    if len(places := np.flatnonzero(differs & has_moved)):
        values = {**given, **table.chosen(places), "store_key": key_array(keys[places])}
        conn.execute(_SQL["update_rows"], values, prepare=False)
    if len(places := np.flatnonzero(differs & ~has_moved)):
        values = {**table.chosen_passing(places), "store_key": key_array(keys[places])}
        conn.execute(_SQL["update_polls"], values, prepare=False)
    moved = np.flatnonzero((known.state > 0) & (known.state != table.columns["state"] + 1))
    if len(moved):
        values = {**given, **table.chosen(moved), "store_key": key_array(keys[moved])}
        conn.execute(_SQL["insert_changes"], {**values, "was": int_array(known.state[moved])}, prepare=False)


class _KnownRows(NamedTuple):
    """Of each store the digests of its row, and the number of its state, from 1; 0: it has no row.

    `lasting` is the digest of the columns that last, xor the other one. If the release before wrote the row, it is wrong.
    """

    digest: Int64s
    lasting: Int64s
    state: Int64s


def _read_rows(conn: psycopg.Connection, keys: Int64s) -> _KnownRows:
    asked = {"store_keys": key_array(keys), "states": STATE_NAMES}
    packed = conn.execute(_SQL["known_rows"], asked, binary=True).fetchone()
    records = np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=_KNOWN)
    order = np.argsort(keys)
    place = order[np.searchsorted(keys[order], records["store_key"])]
    known = _KnownRows(*np.zeros((3, len(keys)), dtype=np.int64))
    for name in known._fields:
        getattr(known, name)[place] = records[name]
    return known
