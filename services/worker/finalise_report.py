"""The use case of finishing a report: its parts, in order, become one CSV, streamed, and that the other files asked for.

Then the pointers to all of them are committed at once.
"""

import errno
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from services.worker.columns import report_columns
from services.worker.context import WorkerContext
from services.worker.give_back import give_back
from services.worker.keep import Keeper
from services.worker.load import one_snapshot
from services.worker.part import render_part
from services.worker.provenance import Made, provenance
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, DiskFull, InfrastructureError, ObjectGone
from shared.ids import new_id
from shared.metrics.registry import FINALISATIONS_CLAIMED, FINALISATIONS_ENDED
from shared.reports.agree import disagreeing_batches, newest_cut, replace_part
from shared.reports.finalise import (
    claim_finalise,
    finish_report,
    list_parts,
    read_facts,
    release_finalise,
    renew_finalise,
    reopen_lost,
    return_finalise_claim,
    undo_finalise_claim,
)
from shared.reports.model import STORED_CSV_TYPE, FileFormat, FinaliseLease, Part, ReportFacts
from shared.storage import StoredObject
from shared.tracing import Value, span
from shared.uptime.window import parse_windows
from shared.uptime.zones import tzdata_version

_AHEAD = 3  # parts that a merge reads at a time, and holds
_log = structlog.get_logger()


class LeaseLost(Exception):
    """The finalisation is another worker's, or was given up; nothing this one does can count."""


def finalise_report(context: WorkerContext, report_id: UUID) -> bool:
    """Finish a report that a dead worker left unfinished; True when this call did."""
    claim_id = new_id()
    try:
        with borrowed(context.pool) as conn:
            lease = claim_finalise(conn, report_id, context.terms, claim_id)
    except DatabaseUnavailable as error:  # perhaps only the answer was lost
        _log.warning("claim_unanswered", report_id=str(report_id), error=str(error))
        give_back(context, partial(undo_finalise_claim, report_id=report_id, claim_id=claim_id), patient=True)
        return False
    if lease is None:
        return False
    with bound_contextvars(report_id=str(report_id), **lease.origin.log_context):
        return finish_claimed(context, lease)


def finish_claimed(context: WorkerContext, lease: FinaliseLease) -> bool:
    """Merge and commit under a lease; on an error gives the lease back for the scheduler to pass on."""
    FINALISATIONS_CLAIMED.inc()
    failpoints.hit("finalise.after_claim")
    names: dict[str, Value] = {"report_id": str(lease.report_id), "attempt": lease.attempt}
    with span("finalise", names, kind="consumer", parent=lease.origin.traceparent):
        return _finish_or_release(context, lease)


def _finish_or_release(context: WorkerContext, lease: FinaliseLease) -> bool:
    log = _log.bind(finalise_attempt=lease.attempt)
    renew = partial(renew_finalise, lease=lease, terms=context.terms)
    keeper = Keeper(context, renew, partial(return_finalise_claim, lease=lease))
    try:
        with borrowed(context.pool) as conn:
            agreed = not disagreeing_batches(conn, lease.report_id, newest_cut(conn, lease.report_id))
        if not agreed:
            log.warning("rounds_used_up")
            _read_again_in_one_snapshot(context, lease, keeper)
        with borrowed(context.pool) as conn:
            parts = list_parts(conn, lease.report_id)
            facts = read_facts(conn, lease.report_id)
        rows = sum(part.stores for part in parts)
        with stage("merge"):
            csv = _merge_or_reopen(context, lease, parts, keeper)
        with stage("convert"):
            files = {"csv": csv, **_convert(context, lease, csv, facts, rows, keeper)}
        failpoints.hit("merge.after")
        with stage("finish"), borrowed(context.pool) as conn:
            finished = finish_report(conn, lease, files, rows=rows, tzdata_version=tzdata_version())
            failpoints.hit("finish.before_commit")
        failpoints.hit("finish.after_commit")
    except LeaseLost:
        finished = False
    except InfrastructureError as error:
        FINALISATIONS_ENDED.labels("released").inc()
        log.warning("finalise_released", error=str(error))
        free = partial(release_finalise, lease=lease, error=str(error), give_back=True)
        give_back(context, free, patient=True)
        return False
    except Exception as error:
        FINALISATIONS_ENDED.labels("failed").inc()
        log.exception("finalise_failed")
        cause = f"{type(error).__name__}: {error}"
        free = partial(release_finalise, lease=lease, error=cause, give_back=False)
        give_back(context, free, patient=False)
        return False
    FINALISATIONS_ENDED.labels("done" if finished else "lost").inc()
    if finished:
        log.info("report_succeeded", size_bytes={name: file.size_bytes for name, file in files.items()})
    else:
        log.warning("lease_lost", stage="finalise")
        give_back(context, keeper.report_alive, patient=True)
    return finished


def _read_again_in_one_snapshot(context: WorkerContext, lease: FinaliseLease, keeper: Keeper) -> None:
    """Compute here and now every batch that missed a change: one snapshot cannot disagree with itself."""
    with borrowed(context.pool) as reader, one_snapshot(reader) as moment:
        for batch in disagreeing_batches(reader, lease.report_id, moment.seq):
            with keeper.during():
                data = render_part(batch, context.inputs.load(reader, batch, moment))
                part = context.storage.put(batch.part_key(f"final-{lease.attempt}"), data, STORED_CSV_TYPE)
            failpoints.hit("reread.after_upload")
            with borrowed(context.pool) as conn:
                if not replace_part(conn, lease, batch.batch_no, part, data_cut=moment.seq):
                    raise LeaseLost
            failpoints.hit("reread.after_commit")
            _refuse_lost(keeper)


def _merge_or_reopen(
    context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part], keeper: Keeper
) -> StoredObject:
    """Merge. Parts that are gone, as those of a report that failed long ago and is tried again, are computed anew first."""
    try:
        return _merge(context, lease, parts, keeper)
    except ObjectGone as error:
        gone = [part.key for part in parts if not context.storage.has(part.key)]
        with borrowed(context.pool) as conn:
            reopened = reopen_lost(conn, lease, gone)
        _log.warning("parts_lost", batches=reopened)
        raise LeaseLost from error


def _merge(
    context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part], keeper: Keeper
) -> StoredObject:
    """Write the CSV; the only part of a report is its CSV already."""
    if len(parts) == 1:
        return StoredObject(parts[0].key, parts[0].size_bytes, parts[0].sha256)
    return context.storage.put_stream(
        lease.object_key("csv"), _blocks(context, parts, keeper), STORED_CSV_TYPE
    )


def _convert(
    context: WorkerContext,
    lease: FinaliseLease,
    csv: StoredObject,
    facts: ReportFacts,
    rows: int,
    keeper: Keeper,
) -> dict[FileFormat, StoredObject]:
    """Write the other files; a report that is asked for as CSV only needs nothing of what this imports."""
    if tuple(facts.formats) == ("csv",):
        return {}
    from services.worker.formats.write_files import write_files  # noqa: PLC0415 (0.2 s and 40 MB of pyarrow)

    columns = report_columns(parse_windows(facts.windows), detail=facts.detail)
    made = Made(columns, provenance(lease.report_id, facts, csv, rows))
    try:
        return write_files(context.storage, lease, csv, facts.formats, made, lambda: _refuse_lost(keeper))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("the worker's disk has no room for the temporary files of a format") from error
        raise


def _blocks(context: WorkerContext, parts: Sequence[Part], keeper: Keeper) -> Iterator[bytes]:
    """The parts in their order, each while the next ones are under way."""

    def read(part: Part) -> bytes:
        return b"".join(context.storage.read(part.key))

    with ThreadPoolExecutor(_AHEAD, "merge") as readers:
        coming = deque(readers.submit(read, part) for part in parts[:_AHEAD])
        try:
            for following in [*parts[_AHEAD:], *[None] * len(coming)]:
                _refuse_lost(keeper)
                yield coming.popleft().result()
                if following:
                    coming.append(readers.submit(read, following))
        finally:
            readers.shutdown(cancel_futures=True)
    _refuse_lost(keeper)


def _refuse_lost(keeper: Keeper) -> None:
    if not keeper.holds():
        raise LeaseLost
