"""The use case of one claimed batch of opening: a sealed week becomes a partition again, so that late polls can be written."""

from datetime import datetime
from functools import partial

import numpy as np
import psycopg
import structlog

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.report_files import LeaseLost
from services.worker.seal.weeks import WeekBusy, WeekChanged, monday_of, skip_week
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import ObjectCorrupt
from shared.metrics.registry import WEEKS_SEALED
from shared.reports.batch import ONLY_A_PART, BatchLease
from shared.reports.complete import Completion, complete_job
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import SealedWeek, week_name

_SQL, _LOAD = queries("sealed"), queries("load")
_POSTGRES_EPOCH_US = 946_684_800_000_000
# COPY's binary format: the number of fields, then length and value of each.
_COLUMNS = (("store_key", ">i4"), ("at_us", ">i8"), ("active", "i1"), ("seq", ">i4"))
_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_log = structlog.get_logger()


def open_claimed_week(context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal) -> Completion | None:
    """Copy the week back, and make it a partition, in one transaction. Return None if the lease was lost.

    Skips a week that is not sealed.
    """
    monday = monday_of(lease.batch)
    try:
        with borrowed(context.pool) as conn, conn.transaction():
            if conn.execute(_SQL["lock_week"], {"monday": monday}).fetchone() != (True,):
                raise WeekBusy(f"another worker opens the week {week_name(monday)}; the batch runs again")
            row = conn.execute(_SQL["week"], {"monday": monday}).fetchone()
            if row is None:
                return skip_week(conn, lease, context.terms)
            completion = _open(context, conn, lease, renewal, SealedWeek.of_row(*row))
    except LeaseLost:
        return None
    except WeekChanged:
        with borrowed(context.pool) as conn:
            return skip_week(conn, lease, context.terms)
    WEEKS_SEALED.labels("opened").inc()
    _log.info("week_opened", week=week_name(monday))
    return completion


def _open(
    context: WorkerContext,
    conn: psycopg.Connection,
    lease: BatchLease,
    renewal: LeaseRenewal,
    week: SealedWeek,
) -> Completion:
    # The import takes 0.2 s and 40 MB.
    from services.worker.seal.write_week import read_blocks  # noqa: PLC0415

    monday = {"monday": week.starts_at}
    conn.execute(_SQL["open_settings"])
    with stage("load"):
        ((table,),) = conn.execute(_SQL["begin_opening"], monday).fetchall()
        copied = 0
        for rows in read_blocks(context.storage, week, renewal):
            _copy(conn, table, rows)
            copied += len(rows)
    if copied != week.rows:
        raise ObjectCorrupt(f"the object {week.key} has {copied:,} polls instead of {week.rows:,}")
    failpoints.hit("open.after_copy")
    with renewal.renewing(), stage("complete"):
        conn.execute(_SQL["index_week"], monday)
    if not renewal.is_held():
        raise LeaseLost
    ((seq, *_),) = conn.execute(_LOAD["snapshot"]).fetchall()
    completion = complete_job(
        conn,
        lease,
        context.terms,
        read_seq=seq,
        result=ONLY_A_PART,
        write=partial(_attach, conn, week.starts_at, week.key),
    )
    if not completion.accepted:
        raise LeaseLost
    return completion


def _attach(conn: psycopg.Connection, monday: datetime, key: str) -> None:
    if conn.execute(_SQL["open_week"], {"monday": monday, "object": key}).fetchone() != (True,):
        raise WeekChanged


def _copy(conn: psycopg.Connection, table: str, rows: SealedRows) -> None:
    """Write polls into the table of a week. Those whose ledger number is not known have none there."""
    for known in (True, False):
        some = rows.pick((rows.seq > 0) == known)
        names = ("store_key", "observed_at", "is_active", "since_seq")[: 4 if known else 3]
        statement = f"copy public.{table} ({', '.join(names)}) from stdin (format binary)"
        with conn.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(_HEADER + _encode(some, len(names)) + _TRAILER)


def _encode(rows: SealedRows, fields: int) -> bytes:
    columns = _COLUMNS[:fields]
    layout = [("fields", ">i2")]
    for name, kind in columns:
        layout += [(f"{name}_bytes", ">i4"), (name, kind)]
    records = np.empty(len(rows), np.dtype(layout))
    records["fields"] = fields
    for name, kind in columns:
        records[f"{name}_bytes"] = np.dtype(kind).itemsize
    records["store_key"], records["at_us"] = rows.store_key, rows.at_us - _POSTGRES_EPOCH_US
    records["active"] = rows.active
    if fields == len(_COLUMNS):
        # The lowest 32 bits, as `short_seq` has them.
        records["seq"] = (rows.seq & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return records.tobytes()
