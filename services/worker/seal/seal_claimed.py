"""The use case of one claimed batch of sealing: a week's partition becomes an object in the bucket."""

import time
from collections.abc import Callable
from functools import partial

import psycopg
import structlog
from psycopg.types.json import Jsonb

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import one_snapshot
from services.worker.report_files import LeaseLost
from services.worker.seal.weeks import OtherRelease, WeekChanged, monday_of, partition_of, skip_week
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import TableLocked
from shared.ids import new_id
from shared.metrics.registry import WEEKS_SEALED
from shared.reports.batch import ONLY_A_PART, BatchLease
from shared.reports.complete import Completion, complete_job
from shared.sealed.jobs import MARGIN
from shared.sealed.sealed_week import POLLS_PREFIX, SealedWeek, week_name

_SQL = queries("sealed")
_MOST_TRIES, _PAUSE_S = 20, 1.0
_log = structlog.get_logger()


def seal_claimed_week(context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal) -> Completion | None:
    """Write the batch's week, read it back, and replace its partition. Return None if the lease was lost.

    Skips a week without a partition, one that an import is filling, and one whose polls change meanwhile. Until the commit
    the partition is the truth, and the object nothing that a reader sees.
    """
    monday = monday_of(lease.batch)
    key = f"{POLLS_PREFIX}week={week_name(monday)}/{new_id()}.parquet"
    with borrowed(context.pool) as conn:
        if old := [name for (name,) in conn.execute(_SQL["other_release"])]:
            raise OtherRelease(
                f"services of the release before are running ({', '.join(old)}): weeks are sealed after them"
            )
        asked = {"monday": monday, "margin": MARGIN}
        if conn.execute(_SQL["is_sealable"], asked).fetchone() != (True,):
            return skip_week(conn, lease, context.terms)
        # Committed before the object exists, so that the janitor finds what a dead worker leaves.
        conn.execute(_SQL["note_object"], {"object": key, "monday": monday})
    try:
        return _seal(context, lease, renewal, key)
    except LeaseLost:
        return None
    except (WeekChanged, psycopg.errors.UndefinedTable):
        _log.warning("week_not_sealed", week=week_name(monday), because="its polls have changed meanwhile")
        with borrowed(context.pool) as conn:
            return skip_week(conn, lease, context.terms)


def _seal(context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal, key: str) -> Completion:
    # The import takes 0.2 s and 40 MB.
    from services.worker.seal.write_week import check_week, write_week  # noqa: PLC0415

    monday = monday_of(lease.batch)
    # Locks the partition alone, so that other weeks can be sealed meanwhile.
    snapshot_of_week = partial(one_snapshot, table=partition_of(monday))
    with borrowed(context.pool) as reader, renewal.entering(snapshot_of_week(reader)) as snapshot:
        with stage("upload"):
            week, contents = write_week(reader, context.storage, monday, key, renewal)
        failpoints.hit("seal.after_file")
        with stage("load"):
            check_week(reader, context.storage, week, contents, renewal)
    failpoints.hit("seal.after_check")
    stores = contents.store_rows(monday)

    def complete() -> Completion:
        with renewal.renewing(), stage("complete"), borrowed(context.pool) as conn:
            return complete_job(
                conn,
                lease,
                context.terms,
                read_seq=snapshot.seq,
                result=ONLY_A_PART,
                write=partial(_replace_partition, conn, week, stores, snapshot.seq),
            )

    completion = _complete_between_readers(complete, renewal)
    if completion.accepted:
        WEEKS_SEALED.labels("sealed").inc()
        _log.info("week_sealed", week=week_name(monday), polls=week.rows, size_bytes=week.size_bytes)
    return completion


def _complete_between_readers(complete: Callable[[], Completion], renewal: LeaseRenewal) -> Completion:
    """Try for a while: a reader can keep the lock for long, and to write the file again would cost more."""
    for _ in range(_MOST_TRIES):
        try:
            return complete()
        except TableLocked:
            time.sleep(_PAUSE_S)
            if not renewal.is_held():
                raise LeaseLost from None
    return complete()


def _replace_partition(
    conn: psycopg.Connection, week: SealedWeek, stores: dict[str, object], seq: int
) -> None:
    """Make the object the truth, in the caller's transaction. Raises `WeekChanged`."""
    conn.execute(_SQL["forget_stores"], {"monday": week.starts_at})
    conn.execute(_SQL["insert_stores"], stores)
    # Readers would queue behind the drop.
    conn.execute(_SQL["seal_lock_timeout"])
    row = {
        "monday": week.starts_at,
        "object": week.key,
        "size_bytes": week.size_bytes,
        "sha256": week.sha256,
        "rows": week.rows,
        "pieces": Jsonb(week.pieces),
        "seq": seq,
    }
    if conn.execute(_SQL["seal_week"], row).fetchone() != (True,):
        raise WeekChanged
