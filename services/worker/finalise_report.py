"""The use case of finishing a report: merge its parts into a CSV, write the other formats, commit all files at once.

Every byte is verified on the way.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import one_snapshot
from services.worker.merge import damaged_parts
from services.worker.other_tzdata import require_tzdata
from services.worker.release_lease import give_back
from services.worker.report_files import Finalisation, LeaseLost, count_columns, write_report_files
from services.worker.slices import render_batch
from services.worker.stages import stage
from services.worker.upload_part import upload_part
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable, InfrastructureError, ObjectLost
from shared.ids import new_id
from shared.metrics.registry import FINALISATIONS_CLAIMED, FINALISATIONS_ENDED, OBJECTS_REFUSED
from shared.reports.consistency import (
    find_repeats,
    replace_part,
)
from shared.reports.finalise import (
    claim_finalise,
    finish_facts,
    finish_report,
    list_parts,
    read_facts,
    release_finalise,
    renew_finalise,
    reopen_lost,
    return_finalise_claim,
    undo_finalise_claim,
)
from shared.reports.formats import FileKind
from shared.reports.model import FileOfReport, FinaliseLease, Part, ReportFacts
from shared.tracing import Value, span
from shared.uptime.policy import POLICY_VERSION
from shared.uptime.tzdata_release import tzdata_version

_log = structlog.get_logger()


class OtherPolicyVersion(Exception):
    """The report promises numbers that this release does not compute."""


def finalise_report(context: WorkerContext, report_id: UUID) -> bool:
    """Finish a report that a dead worker left unfinished. Return True if this call finished it."""
    claim_id = new_id()
    try:
        with borrowed(context.pool) as conn:
            lease = claim_finalise(conn, report_id, context.terms, claim_id)
    except DatabaseUnavailable as error:
        # Perhaps the claim was made and only the answer was lost.
        _log.warning("claim_unanswered", report_id=str(report_id), error=str(error))
        give_back(context, partial(undo_finalise_claim, report_id=report_id, claim_id=claim_id), patient=True)
        return False
    if lease is None:
        return False
    with bound_contextvars(report_id=str(report_id), **lease.origin.log_context):
        return finish_claimed(context, lease)


def finish_claimed(context: WorkerContext, lease: FinaliseLease) -> bool:
    """Merge and commit under a lease. After an error, release the lease for the scheduler to pass on."""
    FINALISATIONS_CLAIMED.inc()
    failpoints.hit("finalise.after_claim")
    names: dict[str, Value] = {"report_id": str(lease.report_id), "attempt": lease.attempt}
    with span("finalise", names, kind="consumer", parent=lease.origin.traceparent):
        return _finish_or_release(context, lease)


def _finish_or_release(context: WorkerContext, lease: FinaliseLease) -> bool:
    log = _log.bind(finalise_attempt=lease.attempt)
    renew = partial(renew_finalise, lease=lease, terms=context.terms)
    renewal = LeaseRenewal(context, renew, partial(return_finalise_claim, lease=lease))
    try:
        files = _finish(Finalisation(context, lease, renewal))
    except LeaseLost:
        files = None
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
    FINALISATIONS_ENDED.labels("lost" if files is None else "done").inc()
    if files is None:
        log.warning("lease_lost", stage="finalise")
        give_back(context, renewal.return_lost_claim, patient=True)
        return False
    log.info("report_succeeded", size_bytes={file.name: file.size_bytes for file in files})
    return True


def _finish(work: Finalisation) -> Sequence[FileOfReport] | None:
    """Return the committed files, or None if the lease was lost before the commit."""
    context, lease = work.context, work.lease
    if lease.kind == "insights":
        # Only this kind needs what it imports.
        from services.worker.insights.conclude import conclude  # noqa: PLC0415

        return [] if conclude(work) else None
    if lease.kind != "report":
        with stage("finish"), borrowed(context.pool) as conn:
            return [] if finish_facts(conn, lease, tzdata_version=tzdata_version()) else None
    with borrowed(context.pool) as conn:
        repeats = find_repeats(conn, lease.report_id)
    if repeats.other_tzdata:
        require_tzdata(repeats.other_tzdata[0].tzdata_version, is_last=lease.is_last)
    if any(repeats):
        _log.warning(
            "batches_computed_again",
            stale=len(repeats.stale),
            of_other_tzdata=len(repeats.other_tzdata),
            without_parts=len(repeats.without_parts),
            attempt=lease.attempt,
        )
        _recompute_in_one_snapshot(work)
    with borrowed(context.pool) as conn:
        facts = read_facts(conn, lease.report_id)
        parts: Mapping[FileKind, Sequence[Part]] = {
            kind: list_parts(conn, lease.report_id, kind) for kind in facts.files
        }
    _refuse_other_policy_version(facts)
    try:
        files = write_report_files(work, parts, facts)
    except ObjectLost as error:
        OBJECTS_REFUSED.labels("merge").inc()
        # All damaged parts are computed again at once. So are those of a report that failed long ago and is retried.
        every_part = [part for some in parts.values() for part in some]
        damaged = damaged_parts(context.storage, every_part, count_columns(facts), work.require_lease)
        with borrowed(context.pool) as conn:
            reopened = reopen_lost(conn, lease, damaged, because=str(error))
        _log.warning("parts_lost", batches=reopened, error=str(error))
        raise LeaseLost from error
    with stage("finish"), borrowed(context.pool) as conn:
        finished = finish_report(conn, lease, files, tzdata_version=tzdata_version())
        failpoints.hit("finish.before_commit")
    failpoints.hit("finish.after_commit")
    return files if finished else None


def _recompute_in_one_snapshot(work: Finalisation) -> None:
    """Compute in one snapshot every batch that is stale, or was computed with another time zone database or release.

    So they cannot disagree with each other.
    """
    context, lease = work.context, work.lease
    with (
        borrowed(context.pool) as reader,
        # It waits as long as somebody holds the table of polls.
        work.renewal.entering(one_snapshot(reader, context.storage)) as snapshot,
    ):
        repeats = find_repeats(reader, lease.report_id, snapshot.seq)
        for _, batch in sorted({batch.batch_no: batch for some in repeats for batch in some}.items()):
            with work.renewal.renewing():
                load = partial(context.inputs.load_input, reader, snapshot=snapshot)
                rendered = render_batch(batch, load)
                attempt = f"final-{lease.attempt}"
                part, result = upload_part(context.storage, batch, attempt, rendered, context.own_parts)
            failpoints.hit("reread.after_upload")
            with borrowed(context.pool) as conn:
                if not replace_part(
                    conn,
                    lease,
                    batch.batch_no,
                    part,
                    read_seq=batch.read_seq(snapshot.seq),
                    result=result,
                ):
                    raise LeaseLost
            failpoints.hit("reread.after_commit")
            work.require_lease()


def _refuse_other_policy_version(facts: ReportFacts) -> None:
    """Raise if the report was accepted by a release that computes other numbers, as during an upgrade."""
    if facts.policy_version != POLICY_VERSION:
        raise OtherPolicyVersion(
            f"the report was accepted under policy version {facts.policy_version}, and this release computes"
            f" version {POLICY_VERSION}; request it again"
        )
