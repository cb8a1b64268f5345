"""Complete a batch of live state: write the rows that differ, the changes of states, and how long all of them hold."""

from typing import Final

import numpy as np
import psycopg

from services.worker.live.load import LiveInput
from services.worker.live.rows import LiveTable, as_array
from shared import failpoints
from shared.clock import from_us
from shared.db.queries import queries
from shared.inputs.stores import Stores
from shared.live.terms import LiveTerms
from shared.reports.batch import BatchLease
from shared.reports.complete import Completion
from shared.uptime.intervals import Int64s

_SQL, _REPORTS = queries("now"), queries("reports")
_KNOWN: Final = np.dtype([("store_key", ">i4"), ("digest", ">i8")])


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
        done = conn.execute(_SQL["lock_batch"], {**fence, "stores": len(found.stores.ids)})
        if done.rowcount != 1:
            return Completion(accepted=False)
        if table is not None:
            _write_rows(conn, lease, found, table)
        changes_at = found.changes_at if table is None else from_us(table.changes_us)
        if changes_at is not None:
            noted = {**fence, **found.snapshot._asdict(), "made_by": terms.made_by, "changes_at": changes_at}
            conn.execute(_SQL["note_refresh"], {**noted, "refreshed_at": found.now})
        failpoints.hit("complete.before_commit")
    return Completion(accepted=True)


def _write_rows(conn: psycopg.Connection, lease: BatchLease, found: LiveInput, table: LiveTable) -> None:
    places = np.flatnonzero(_read_digests(conn, found.stores) != table.digests)
    if len(places):
        given = {"store_key": as_array(found.stores.keys[places]), "batch_no": lease.batch.batch_no}
        values = {**table.chosen(places), **given, "refreshed_at": found.now}
        conn.execute(_SQL["write_rows"], values, prepare=False)


def _read_digests(conn: psycopg.Connection, stores: Stores) -> Int64s:
    """Return the digest of each store's row; for a store without a row, 0, which no row is likely to have."""
    asked = {"store_keys": stores.keys.tolist()}
    packed = conn.execute(_SQL["known_digests"], asked, binary=True).fetchone()
    records = np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=_KNOWN)
    order = np.argsort(stores.keys)
    digests = np.zeros(len(stores.keys), dtype=np.int64)
    digests[order[np.searchsorted(stores.keys[order], records["store_key"])]] = records["digest"]
    return digests
