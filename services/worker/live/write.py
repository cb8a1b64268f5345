"""Complete a batch of live state: write the rows that differ, the changes of states, and how long all of them hold."""

import numpy as np
import psycopg

from services.worker.context import WorkerContext
from services.worker.live.known_rows import KnownRows, LastRefresh, WrittenRows, read_rows
from services.worker.live.load import LiveInput
from services.worker.live.rows import LiveTable
from shared import failpoints
from shared.clock import from_us
from shared.db.arrays import int_array, key_array
from shared.db.queries import queries
from shared.reports.batch import BatchLease
from shared.reports.complete import Completion

_SQL, _REPORTS = queries("now"), queries("reports")


def complete_live(
    conn: psycopg.Connection,
    context: WorkerContext,
    lease: BatchLease,
    found: LiveInput,
    table: LiveTable | None,
) -> Completion:
    """Write the rows and make the batch due again, in one transaction, if the attempt is the current one.

    The report's row is locked first, so that the ids of changes ascend in the order of the commits. Without a table, only
    the instant of the refresh is written.
    """
    batch = lease.batch
    key = (batch.report_id, batch.batch_no)
    fence = {"report_id": batch.report_id, "batch_no": batch.batch_no, "attempt": lease.attempt}
    written, noted = context.live_rows.get(key), None
    known = written and written.before(lease.attempt, found.last, len(found.keys))
    with conn.transaction():
        conn.execute(_REPORTS["lock_report"], fence)
        done = conn.execute(_SQL["lock_batch"], {**fence, "stores": found.stores})
        if done.rowcount != 1:
            return Completion(accepted=False)
        if table is not None:
            _write_rows(conn, lease, found, table, known or read_rows(conn, found.keys))
            known = KnownRows.of_table(table)
        changes_at = found.changes_at if table is None or not found.is_final else from_us(table.changes_us)
        if changes_at is not None:
            noted = LastRefresh(*found.snapshot[:3], context.live.made_by, changes_at)
            conn.execute(_SQL["note_refresh"], {**fence, **noted._asdict(), "refreshed_at": found.now})
            conn.execute(_SQL["tell_refreshed"])
        failpoints.hit("complete.before_commit")
    if known and noted:
        left = WrittenRows(lease.attempt, noted, known)
        context.live_rows.put(key, left, left.size_bytes)
    return Completion(accepted=True)


def _write_rows(
    conn: psycopg.Connection, lease: BatchLease, found: LiveInput, table: LiveTable, known: KnownRows
) -> None:
    keys = found.keys
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
