"""The use case of one claimed batch of a job besides reports: compute in a snapshot, and complete with what is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import Snapshot, one_snapshot
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.reports.batch import BatchLease, BatchResult
from shared.reports.complete import Completion, complete_job
from shared.reports.model import StoreFailure


@dataclass(frozen=True)
class ComputedBatch:
    """What was computed: the stores without a result, and how to write the others in the completing transaction.

    `write` runs before the completion locks the job, so that the batches of a job write at the same time. It returns what
    has to be done under that lock.
    """

    failed: Sequence[StoreFailure]
    write: Callable[[psycopg.Connection], Callable[[], None]]


def compute_store_batch(
    context: WorkerContext,
    lease: BatchLease,
    renewal: LeaseRenewal,
    compute: Callable[[psycopg.Connection, Snapshot], ComputedBatch],
) -> Completion | None:
    """Compute and commit a batch. Return None if its lease was lost before."""
    with (
        borrowed(context.pool) as conn,
        renewal.renewing(),
        stage("compute"),
        one_snapshot(conn, context.storage) as snapshot,
    ):
        computed = compute(conn, snapshot)
    failpoints.hit("compute.after")
    if not renewal.is_held():
        return None
    with renewal.renewing(), stage("complete"), borrowed(context.pool) as conn, conn.transaction():
        completion = complete_job(
            conn,
            lease,
            context.terms,
            read_seq=snapshot.seq,
            result=BatchResult(computed.failed),
            write=computed.write(conn),
        )
        if not completion.accepted:
            raise psycopg.Rollback
    return completion
