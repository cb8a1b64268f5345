"""The use case of one batch: claim, load, compute, upload, complete. Takes its servers as arguments."""

from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

import psycopg
import structlog
from structlog.contextvars import bound_contextvars

from services.worker.context import WorkerContext
from services.worker.facts.compute_claimed import compute_claimed_facts
from services.worker.facts.export_claimed import export_claimed_month
from services.worker.finalise_report import finish_claimed
from services.worker.insights.compute_claimed import compute_claimed_insights
from services.worker.lease_renewal import BatchLost, LeaseRenewal
from services.worker.live.compute_claimed import compute_claimed_live
from services.worker.load import one_snapshot
from services.worker.other_tzdata import OtherTzdata, give_way
from services.worker.part import render_part
from services.worker.release_lease import give_back
from services.worker.seal.open_claimed import open_claimed_week
from services.worker.seal.seal_claimed import seal_claimed_week
from services.worker.slices import load_or_render
from services.worker.stages import stage
from services.worker.upload_part import upload_part
from shared import failpoints
from shared.db.connect import autocommitting, borrowed
from shared.errors import DatabaseUnavailable, InfrastructureError
from shared.ids import new_id
from shared.inputs.batch_input import BatchInput
from shared.metrics.registry import BATCHES_CLAIMED, BATCHES_ENDED, BATCHES_SENT_AGAIN
from shared.reports.batch import Batch, BatchLease
from shared.reports.claim import (
    claim_batch,
    claim_next,
    release_batch,
    renew_batch,
    return_claim,
    undo_claim,
)
from shared.reports.complete import Completion, complete_batch
from shared.reports.finalise import undo_finalise_claim
from shared.reports.model import JobKind
from shared.tracing import Value, span

_log = structlog.get_logger()
_OUTAGE_PAUSE_S = 2.0
_FAILURE_PAUSE_S = 1.0


def compute_batch(context: WorkerContext, report_id: UUID, batch_no: int) -> bool:
    """Compute one batch unless another worker does. Return True if the result was accepted.

    If a server fails, the claim is returned. After any other error it counts as a failed claim. The scheduler sees to
    the batch in both cases.
    """
    return (
        _claim_and_compute(
            context, lambda conn, claim: claim_batch(conn, report_id, batch_no, context.terms, claim)
        )
        is True
    )


def compute_next(context: WorkerContext, *, only_short: bool = False) -> bool | None:
    """Compute the batch whose turn it is, as `compute_batch` does. Return None if no batch is due."""
    return _claim_and_compute(
        context, lambda conn, claim: claim_next(conn, context.terms, claim, only_short=only_short)
    )


def _claim_and_compute(
    context: WorkerContext, claim: Callable[[psycopg.Connection, UUID], BatchLease | None]
) -> bool | None:
    claim_id = new_id()
    try:
        # The claim is one statement.
        with autocommitting(context.pool) as conn:
            lease = claim(conn, claim_id)
    except DatabaseUnavailable as error:
        # Perhaps the claim was made and only the answer was lost.
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
    except OtherTzdata as error:
        BATCHES_ENDED.labels("failed").inc()
        _log.warning("batch_left_to_others", error=str(error))
        _release_failed(context, lease, str(error))
    except Exception as error:  # noqa: BLE001 - any error counts as a failed claim
        BATCHES_ENDED.labels("failed").inc()
        _log.exception("batch_failed")
        _release_failed(context, lease, f"{type(error).__name__}: {error}")
    return False


def _release_failed(context: WorkerContext, lease: BatchLease, cause: str) -> None:
    free = partial(release_batch, lease=lease, error=cause, pause_s=_FAILURE_PAUSE_S, give_back=False)
    give_back(context, free, patient=False)


def _release_after_outage(conn: psycopg.Connection, lease: BatchLease, error: str) -> None:
    """Release the batch. If only the answer to its completion was lost, release the finalisation that came with it."""
    release_batch(conn, lease, error=error, pause_s=_OUTAGE_PAUSE_S, give_back=True)
    undo_finalise_claim(conn, lease.batch.report_id, lease.claim_id)


def _compute_claimed(context: WorkerContext, lease: BatchLease) -> bool:
    renew = partial(renew_batch, lease=lease, terms=context.terms)
    renewal = LeaseRenewal(context, renew, partial(return_claim, lease=lease))
    try:
        completion = _COMPUTE[lease.batch.kind](context, lease, renewal)
    except BatchLost:
        completion = None
    if completion is None:
        BATCHES_ENDED.labels("lost").inc()
        _log.warning("lease_lost", stage="load")
        return False
    failpoints.hit("complete.after_commit")
    BATCHES_ENDED.labels("done" if completion.accepted else "lost").inc()
    if not completion.accepted:
        _log.warning("lease_lost", stage="complete")
        give_back(context, renewal.return_lost_claim, patient=True)
        return False
    _follow_up(context, completion)
    return True


def _compute_part(context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal) -> Completion | None:
    """Compute, upload and complete a batch of a report. Return None if its lease was lost before."""
    with (
        borrowed(context.pool) as conn,
        renewal.renewing(),
        stage("load"),
        one_snapshot(conn, context.storage) as snapshot,
    ):

        def load(batch: Batch) -> BatchInput:
            # Slices of a report that was canceled are not computed.
            renewal.require_held()
            return context.inputs.load_input(conn, batch, snapshot)

        loaded = load_or_render(lease.batch, load)
    failpoints.hit("load.after")
    if not renewal.is_held():
        return None
    with renewal.renewing(), stage("compute"):
        rendered = render_part(lease.batch, loaded) if isinstance(loaded, BatchInput) else loaded
        give_way(lease, rendered.failed)
    failpoints.hit("compute.after")
    with renewal.renewing(), stage("upload"):
        part, result = upload_part(
            context.storage, lease.batch, str(lease.attempt), rendered, context.own_parts
        )
    failpoints.hit("upload.after")
    with stage("complete"), borrowed(context.pool) as conn:
        completion = complete_batch(
            conn,
            lease,
            part,
            context.terms,
            read_seq=lease.batch.read_seq(snapshot.seq),
            result=result,
        )
    if completion.accepted:
        for store in rendered.failed:
            _log.error("store_failed", store_id=store.store_id, reason=store.reason, detail=store.detail)
        _log.info(
            "batch_done",
            stores=lease.batch.stores,
            polls=len(loaded.polls.at_us) if isinstance(loaded, BatchInput) else None,
            size_bytes=part.size_bytes,
        )
    return completion


_COMPUTE: Mapping[JobKind, Callable[[WorkerContext, BatchLease, LeaseRenewal], Completion | None]] = {
    "report": _compute_part,
    "now": compute_claimed_live,
    "facts": compute_claimed_facts,
    "facts_export": export_claimed_month,
    "seal": seal_claimed_week,
    "unseal": open_claimed_week,
    "insights": compute_claimed_insights,
}


def _follow_up(context: WorkerContext, completion: Completion) -> None:
    """Wake workers for stale batches, or finish the report, if this completion was the last."""
    if completion.again:
        BATCHES_SENT_AGAIN.inc(len(completion.again))
        _log.info("batches_sent_again", batches=len(completion.again))
        context.wake(completion.again)
    if completion.finalise is not None:
        finish_claimed(context, completion.finalise)
