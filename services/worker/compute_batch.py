"""The use case of one batch: claim, load, measure, render, upload, complete. Takes its servers as arguments."""

from uuid import UUID

import structlog

from services.worker.context import WorkerContext
from services.worker.finalise_report import finish_claimed
from services.worker.load import load_batch, one_snapshot
from services.worker.part import render_part
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, InfrastructureError
from shared.metrics.registry import BATCHES_CLAIMED, BATCHES_ENDED, BATCHES_SENT_AGAIN
from shared.reports.claim import claim_batch, release_batch, renew_batch
from shared.reports.complete import complete_batch
from shared.reports.model import CSV_CONTENT_TYPE, BatchLease

_log = structlog.get_logger()
_OUTAGE_PAUSE_S = 2.0
_FAILURE_PAUSE_S = 1.0


def compute_batch(context: WorkerContext, report_id: UUID, batch_no: int) -> bool:
    """Compute one batch if nobody else does; True when its result was accepted.

    A fault of a server gives the attempt back; any other error burns it. Both leave the batch to the scheduler.
    """
    log = _log.bind(report_id=str(report_id), batch_no=batch_no)
    with borrowed(context.pool) as conn:
        lease = claim_batch(conn, report_id, batch_no, context.terms)
    failpoints.hit("claim.after_commit")
    if lease is None:
        log.debug("batch_not_claimed")
        return False
    BATCHES_CLAIMED.inc()
    log = log.bind(attempt=lease.attempt)
    try:
        return _compute_claimed(context, lease, log)
    except InfrastructureError as error:
        BATCHES_ENDED.labels("released").inc()
        log.warning("batch_released", error=str(error))
        _release(context, lease, str(error), pause_s=_OUTAGE_PAUSE_S, give_back=True)
    except Exception as error:
        BATCHES_ENDED.labels("failed").inc()
        log.exception("batch_failed")
        _release(
            context, lease, f"{type(error).__name__}: {error}", pause_s=_FAILURE_PAUSE_S, give_back=False
        )
    return False


def _compute_claimed(context: WorkerContext, lease: BatchLease, log: structlog.stdlib.BoundLogger) -> bool:
    with borrowed(context.pool) as conn:
        with stage("load"), one_snapshot(conn) as data_cut:
            given = load_batch(conn, lease.batch)
        failpoints.hit("load.after")
        if not renew_batch(conn, lease, context.terms):
            BATCHES_ENDED.labels("lost").inc()
            log.warning("lease_lost", stage="load")
            return False
    with stage("compute"):
        data = render_part(lease.batch, given)
    failpoints.hit("compute.after")
    with stage("upload"):
        part = context.storage.put(lease.part_key, data, CSV_CONTENT_TYPE)
    failpoints.hit("upload.after")
    with stage("complete"), borrowed(context.pool) as conn:
        completion = complete_batch(conn, lease, part, context.terms, data_cut=data_cut)
    failpoints.hit("complete.after_commit")
    BATCHES_ENDED.labels("done" if completion.accepted else "lost").inc()
    if not completion.accepted:
        log.warning("lease_lost", stage="complete")
        return False
    log.info(
        "batch_done", stores=lease.batch.stores, polls=len(given.polls.at_us), size_bytes=part.size_bytes
    )
    if completion.again:
        BATCHES_SENT_AGAIN.inc(len(completion.again))
        log.info("batches_sent_again", batches=len(completion.again))
        context.wake(completion.again)
    if completion.finalise is not None:
        finish_claimed(context, completion.finalise)
    return True


def _release(
    context: WorkerContext, lease: BatchLease, error: str, *, pause_s: float, give_back: bool
) -> None:
    """Give the batch back; where the database is away too, the lease runs out by itself."""
    try:
        with borrowed(context.pool) as conn:
            release_batch(conn, lease, error=error, pause_s=pause_s, give_back=give_back)
    except DatabaseUnavailable:
        _log.warning("release_failed", report_id=str(lease.batch.report_id), batch_no=lease.batch.batch_no)
