"""The use case of one batch: claim, load, measure, render, upload, complete. Takes its servers as arguments."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import psycopg
import structlog
from structlog.contextvars import bound_contextvars

from services.worker.context import WorkerContext
from services.worker.finalise_report import finish_claimed
from services.worker.lease_renewal import Keeper
from services.worker.load import one_snapshot
from services.worker.part import render_part
from services.worker.release_lease import give_back
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, InfrastructureError
from shared.ids import new_id
from shared.metrics.registry import BATCHES_CLAIMED, BATCHES_ENDED, BATCHES_SENT_AGAIN
from shared.reports.claim import (
    claim_batch,
    claim_next,
    release_batch,
    renew_batch,
    return_claim,
    undo_claim,
)
from shared.reports.complete import complete_batch
from shared.reports.finalise import undo_finalise_claim
from shared.reports.model import STORED_CSV_TYPE, BatchLease
from shared.tracing import Value, span

_log = structlog.get_logger()
_OUTAGE_PAUSE_S = 2.0
_FAILURE_PAUSE_S = 1.0


def compute_batch(context: WorkerContext, report_id: UUID, batch_no: int) -> bool:
    """Compute one batch if nobody else does; True when its result was accepted.

    A fault of a server gives the attempt back; any other error burns it. Both leave the batch to the scheduler.
    """
    return (
        _compute(context, lambda conn, claim: claim_batch(conn, report_id, batch_no, context.terms, claim))
        is True
    )


def compute_next(context: WorkerContext, *, only_short: bool = False) -> bool | None:
    """Compute the batch whose turn it is, as `compute_batch` does; None when no batch is due."""
    return _compute(
        context, lambda conn, claim: claim_next(conn, context.terms, claim, only_short=only_short)
    )


def _compute(
    context: WorkerContext, claim: Callable[[psycopg.Connection, UUID], BatchLease | None]
) -> bool | None:
    claim_id = new_id()
    try:
        with borrowed(context.pool) as conn:
            lease = claim(conn, claim_id)
            failpoints.hit("claim.before_commit")
    except DatabaseUnavailable as error:  # perhaps only the answer was lost
        _log.warning("claim_unanswered", error=str(error))
        give_back(context, partial(undo_claim, claim_id=claim_id), patient=True)
        return False
    failpoints.hit("claim.after_commit")
    if lease is None:
        _log.debug("batch_not_claimed")
        return None
    BATCHES_CLAIMED.inc()
    batch = lease.batch
    names: dict[str, Value] = {
        "report_id": str(batch.report_id),
        "batch_no": batch.batch_no,
        "attempt": lease.attempt,
    }
    with (
        bound_contextvars(**names, **lease.origin.log_context),
        span("batch", names, kind="consumer", parent=lease.origin.traceparent),
    ):
        return _compute_or_release(context, lease)


def _compute_or_release(context: WorkerContext, lease: BatchLease) -> bool:
    try:
        return _compute_claimed(context, lease)
    except InfrastructureError as error:
        BATCHES_ENDED.labels("released").inc()
        _log.warning("batch_released", error=str(error))
        give_back(context, partial(_release_after_outage, lease=lease, error=str(error)), patient=True)
    except Exception as error:  # noqa: BLE001  whatever it is, it burns the attempt
        BATCHES_ENDED.labels("failed").inc()
        _log.exception("batch_failed")
        cause = f"{type(error).__name__}: {error}"
        free = partial(release_batch, lease=lease, error=cause, pause_s=_FAILURE_PAUSE_S, give_back=False)
        give_back(context, free, patient=False)
    return False


def _release_after_outage(conn: psycopg.Connection, lease: BatchLease, error: str) -> None:
    """Release the batch, or, if only the answer to its completion was lost, the finalisation that came with it."""
    release_batch(conn, lease, error=error, pause_s=_OUTAGE_PAUSE_S, give_back=True)
    undo_finalise_claim(conn, lease.batch.report_id, lease.claim_id)


def _compute_claimed(context: WorkerContext, lease: BatchLease) -> bool:
    renew = partial(renew_batch, lease=lease, terms=context.terms)
    keeper = Keeper(context, renew, partial(return_claim, lease=lease))
    with (
        borrowed(context.pool) as conn,
        keeper.during(),
        stage("load"),
        one_snapshot(conn) as moment,
    ):
        given = context.inputs.load(conn, lease.batch, moment)
    failpoints.hit("load.after")
    if not keeper.holds():
        BATCHES_ENDED.labels("lost").inc()
        _log.warning("lease_lost", stage="load")
        return False
    with keeper.during(), stage("compute"):
        data = render_part(lease.batch, given)
    failpoints.hit("compute.after")
    with keeper.during(), stage("upload"):
        part = context.storage.put(lease.part_key, data, STORED_CSV_TYPE)
    failpoints.hit("upload.after")
    with stage("complete"), borrowed(context.pool) as conn:
        completion = complete_batch(conn, lease, part, context.terms, data_cut=moment.seq)
    failpoints.hit("complete.after_commit")
    BATCHES_ENDED.labels("done" if completion.accepted else "lost").inc()
    if not completion.accepted:
        _log.warning("lease_lost", stage="complete")
        give_back(context, keeper.report_alive, patient=True)
        return False
    _log.info(
        "batch_done", stores=lease.batch.stores, polls=len(given.polls.at_us), size_bytes=part.size_bytes
    )
    if completion.again:
        BATCHES_SENT_AGAIN.inc(len(completion.again))
        _log.info("batches_sent_again", batches=len(completion.again))
        context.wake(completion.again)
    if completion.finalise is not None:
        finish_claimed(context, completion.finalise)
    return True
