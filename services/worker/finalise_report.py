"""The use case of finishing a report: its parts, in order, become one file, streamed; then the pointer is committed."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import structlog

from services.worker.context import WorkerContext
from services.worker.load import load_batch, one_snapshot
from services.worker.part import render_part
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, InfrastructureError
from shared.metrics.registry import FINALISATIONS_CLAIMED, FINALISATIONS_ENDED
from shared.reports.agree import disagreeing_batches, newest_cut, replace_part
from shared.reports.finalise import (
    claim_finalise,
    finish_report,
    list_parts,
    release_finalise,
    renew_finalise,
)
from shared.reports.model import CSV_CONTENT_TYPE, FinaliseLease, Part
from shared.storage import StoredObject
from shared.uptime.zones import tzdata_version

_log = structlog.get_logger()


class LeaseLost(Exception):
    """Another worker has the finalisation; nothing this one does can count."""


def finalise_report(context: WorkerContext, report_id: UUID) -> bool:
    """Finish a report that a dead worker left unfinished; True when this call did."""
    with borrowed(context.pool) as conn:
        lease = claim_finalise(conn, report_id, context.terms)
    return lease is not None and finish_claimed(context, lease)


def finish_claimed(context: WorkerContext, lease: FinaliseLease) -> bool:
    """Merge and commit under a lease; on an error gives the lease back for the scheduler to pass on."""
    FINALISATIONS_CLAIMED.inc()
    log = _log.bind(report_id=str(lease.report_id), finalise_attempt=lease.attempt)
    try:
        with borrowed(context.pool) as conn:
            agreed = not disagreeing_batches(conn, lease.report_id, newest_cut(conn, lease.report_id))
        if not agreed:
            log.warning("rounds_used_up")
            _read_again_in_one_snapshot(context, lease)
        with borrowed(context.pool) as conn:
            parts = list_parts(conn, lease.report_id)
        with stage("merge"):
            file = _merge(context, lease, parts)
        failpoints.hit("merge.after")
        with stage("finish"), borrowed(context.pool) as conn:
            finished = finish_report(
                conn, lease, file, rows=sum(part.stores for part in parts), tzdata_version=tzdata_version()
            )
            failpoints.hit("finish.before_commit")
        failpoints.hit("finish.after_commit")
    except LeaseLost:
        finished = False
    except InfrastructureError as error:
        FINALISATIONS_ENDED.labels("released").inc()
        log.warning("finalise_released", error=str(error))
        _release(context, lease, str(error), give_back=True)
        return False
    except Exception as error:
        FINALISATIONS_ENDED.labels("failed").inc()
        log.exception("finalise_failed")
        _release(context, lease, f"{type(error).__name__}: {error}", give_back=False)
        return False
    FINALISATIONS_ENDED.labels("done" if finished else "lost").inc()
    if finished:
        log.info("report_succeeded", size_bytes=file.size_bytes)
    else:
        log.warning("lease_lost", stage="finalise")
    return finished


def _read_again_in_one_snapshot(context: WorkerContext, lease: FinaliseLease) -> None:
    """Compute here and now every batch that missed a change: one snapshot cannot disagree with itself."""
    with borrowed(context.pool) as reader, one_snapshot(reader) as data_cut:
        for batch in disagreeing_batches(reader, lease.report_id, data_cut):
            data = render_part(batch, load_batch(reader, batch))
            part = context.storage.put(batch.part_key(f"final-{lease.attempt}"), data, CSV_CONTENT_TYPE)
            with borrowed(context.pool) as conn:
                if not replace_part(conn, lease, batch.batch_no, part, data_cut=data_cut):
                    raise LeaseLost
            _keep(context, lease)


def _merge(context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part]) -> StoredObject:
    """Write the file; the only part of a report is its file already."""
    if len(parts) == 1:
        return StoredObject(parts[0].key, parts[0].size_bytes, parts[0].sha256)
    return context.storage.put_stream(lease.object_key, _blocks(context, lease, parts), CSV_CONTENT_TYPE)


def _blocks(context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        _keep(context, lease)
        yield from context.storage.read(part.key)
    _keep(context, lease)


def _keep(context: WorkerContext, lease: FinaliseLease) -> None:
    with borrowed(context.pool) as conn:
        if not renew_finalise(conn, lease, context.terms):
            raise LeaseLost


def _release(context: WorkerContext, lease: FinaliseLease, error: str, *, give_back: bool) -> None:
    try:
        with borrowed(context.pool) as conn:
            release_finalise(conn, lease, error=error, give_back=give_back)
    except DatabaseUnavailable:
        _log.warning("release_failed", report_id=str(lease.report_id))
