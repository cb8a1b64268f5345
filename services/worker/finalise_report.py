"""The use case of finishing a report: its parts, in order, become one CSV, streamed, and that the other files asked for.

Every byte is verified on the way. Then the pointers to all files are committed at once.
"""

import errno
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from services.worker.columns import report_columns
from services.worker.context import WorkerContext
from services.worker.lease_renewal import Keeper
from services.worker.load import one_snapshot
from services.worker.merge import damaged_parts, merge_parts
from services.worker.part import render_part
from services.worker.provenance import Made, provenance
from services.worker.release_lease import give_back
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, DiskFull, InfrastructureError, ObjectCorrupt, ObjectLost
from shared.ids import new_id
from shared.metrics.registry import FINALISATIONS_CLAIMED, FINALISATIONS_ENDED, OBJECTS_REFUSED
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
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.window import parse_windows
from shared.uptime.zones import tzdata_version

_log = structlog.get_logger()


class OtherPolicyVersion(Exception):
    """The report promises numbers that this release does not compute."""


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
        _refuse_other_policy_version(facts)
        files = _write_or_reopen(context, lease, parts, facts, keeper)
        rows = sum(part.stores for part in parts)  # as counted in the bytes of each
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


def _write_or_reopen(
    context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part], facts: ReportFacts, keeper: Keeper
) -> Mapping[FileFormat, StoredObject]:
    """Write the files. Parts that are gone or were changed are computed again instead, all of them at once.

    So are those of a report that failed long ago and is tried again. A file that was changed while it was made is made again.
    """
    try:
        return _write(context, lease, parts, facts, keeper)
    except ObjectLost as error:
        OBJECTS_REFUSED.labels("merge").inc()
        damaged = damaged_parts(context.storage, parts, lambda: _refuse_lost(keeper))
        with borrowed(context.pool) as conn:
            reopened = reopen_lost(conn, lease, damaged, because=str(error))
        _log.warning("parts_lost", batches=reopened, error=str(error))
        raise LeaseLost from error


def _write(
    context: WorkerContext, lease: FinaliseLease, parts: Sequence[Part], facts: ReportFacts, keeper: Keeper
) -> Mapping[FileFormat, StoredObject]:
    rows = sum(part.stores for part in parts)
    with stage("merge"):
        csv = merge_parts(context.storage, lease.object_key("csv"), parts, lambda: _refuse_lost(keeper))
    with stage("convert"):
        made = _convert(context, lease, csv, facts, rows, keeper)
    failpoints.hit("merge.after")
    for file in ([] if len(parts) == 1 else [csv]) + list(made.values()):
        if not context.storage.holds(file):
            raise ObjectCorrupt(f"the object {file.key} is not in the bucket as it was just written")
    return {"csv": csv, **made}


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
        return write_files(
            context.storage, lease, csv, facts.formats, made, lambda: _refuse_lost(keeper), rows=rows
        )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("the worker's disk has no room for the temporary files of a format") from error
        raise


def _refuse_other_policy_version(facts: ReportFacts) -> None:
    """Raise if the report was accepted by a release that computes other numbers, as during an upgrade."""
    if facts.policy_version != POLICY_VERSION:
        raise OtherPolicyVersion(
            f"the report was accepted under policy version {facts.policy_version}, and this release computes"
            f" version {POLICY_VERSION}; request it again"
        )


def _refuse_lost(keeper: Keeper) -> None:
    if not keeper.holds():
        raise LeaseLost
