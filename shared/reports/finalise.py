"""Finish a report, fenced by an attempt: one worker claims it, and commits it with the pointers to its files."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.ids import new_id
from shared.reports.claim import LeaseTerms
from shared.reports.formats import WITHOUT_PARTS, FileKind
from shared.reports.model import FileOfReport, FinaliseLease, Origin, Part, ReportFacts

_SQL = queries("reports")
_PRESENCE_SQL = queries("presence")


def claim_finalise(
    conn: psycopg.Connection, report_id: UUID, terms: LeaseTerms, claim_id: UUID | None = None
) -> FinaliseLease | None:
    """Claim the finalisation of a report whose batches are all done. Return None if some are not, or if it is held.

    `claim_id` is for `undo_finalise_claim`. Locks the report's row until the transaction ends, so that the count of
    open batches stays true.
    """
    with conn.transaction():
        conn.execute(_SQL["lock_report"], {"report_id": report_id})
        if count_open_batches(conn, report_id) > 0:
            return None
        return claim_locked(conn, report_id, terms, claim_id or new_id())


def claim_locked(
    conn: psycopg.Connection, report_id: UUID, terms: LeaseTerms, claim_id: UUID
) -> FinaliseLease | None:
    """Claim the finalisation of a report whose row the caller has locked, and whose batches are all done."""
    row = conn.execute(
        _SQL["claim_finalise"],
        {
            "report_id": report_id,
            "worker": terms.worker,
            "presence": terms.presence(),
            "claim_id": claim_id,
            "lease": timedelta(seconds=terms.lease_s),
            "max_attempts": terms.max_attempts,
        },
    ).fetchone()
    if row is None:
        return None
    attempt, is_last, kind, *origin = row
    return FinaliseLease(report_id, attempt, is_last, Origin(*origin), kind)


def count_open_batches(conn: psycopg.Connection, report_id: UUID) -> int:
    """Count the batches of a report that are not done."""
    row = conn.execute(_SQL["open_batches"], {"report_id": report_id}).fetchone()
    return row[0] if row else 0


def list_parts(conn: psycopg.Connection, report_id: UUID, kind: FileKind = "report") -> list[Part]:
    """Return the parts of one kind of file, in their order there. A file that is not made of parts has none."""
    if kind in WITHOUT_PARTS:
        return []
    query = "list_parts" if kind == "report" else f"list_{kind}_parts"
    return [Part(*row) for row in conn.execute(_SQL[query], {"report_id": report_id})]


def read_facts(conn: psycopg.Connection, report_id: UUID) -> ReportFacts:
    """Return what the files of a report say about it. All batches must be done."""
    with conn.cursor(row_factory=class_row(ReportFacts)) as cursor:
        facts = cursor.execute(_SQL["report_facts"], {"report_id": report_id}).fetchone()
    assert facts is not None  # noqa: S101 - reports are never deleted
    return facts


def renew_finalise(conn: psycopg.Connection, lease: FinaliseLease, terms: LeaseTerms) -> bool:
    """Extend the lease. Return False if it was lost."""
    renewed = conn.execute(
        _SQL["renew_finalise"],
        {
            **_fence_of(lease),
            "worker": terms.worker,
            "presence": terms.presence(),
            "lease": timedelta(seconds=terms.lease_s),
        },
    )
    return renewed.rowcount == 1


def release_finalise(conn: psycopg.Connection, lease: FinaliseLease, *, error: str, give_back: bool) -> None:
    """Release the finalisation for another worker; `give_back` as in `release_batch`."""
    conn.execute(
        _PRESENCE_SQL["return_finalise_claim" if give_back else "count_finalise_claim"], _fence_of(lease)
    )
    conn.execute(
        _SQL["release_finalise"],
        {**_fence_of(lease), "error": Jsonb({"detail": error}), "give_back": give_back},
    )


def return_finalise_claim(conn: psycopg.Connection, lease: FinaliseLease) -> bool:
    """Like `return_claim`, for the finalisation."""
    return conn.execute(_PRESENCE_SQL["return_finalise_claim"], _fence_of(lease)).rowcount == 1


def undo_finalise_claim(conn: psycopg.Connection, report_id: UUID, claim_id: UUID) -> None:
    """Like `undo_claim`, for the finalisation. A completion claims it with the id of the batch's claim."""
    conn.execute(_SQL["lock_report"], {"report_id": report_id})
    conn.execute(_PRESENCE_SQL["undo_finalise_claim"], {"report_id": report_id, "claim_id": claim_id})


def reopen_lost(conn: psycopg.Connection, lease: FinaliseLease, parts: Sequence[str], *, because: str) -> int:
    """Requeue the batches of these parts, which are missing or were changed; return how many.

    Also releases the finalisation. Its claim counts, so a store that loses every part ends the report eventually.
    """
    reopened = conn.execute(_SQL["reopen_lost"], {**_fence_of(lease), "parts": list(parts)}).rowcount
    release_finalise(conn, lease, error=because, give_back=False)
    return reopened


def finish_report(
    conn: psycopg.Connection,
    lease: FinaliseLease,
    files: Sequence[FileOfReport],
    *,
    tzdata_version: str,
) -> bool:
    """Commit the pointers to the files together with `succeeded`. Return False if the lease was lost."""
    finished = conn.execute(
        _SQL["finish_report"],
        {
            **_fence_of(lease),
            "kinds": [file.kind for file in files],
            "formats": [file.format for file in files],
            "objects": [file.object for file in files],
            "sizes_bytes": [file.size_bytes for file in files],
            "sha256s": [file.sha256 for file in files],
            "rows": [file.rows for file in files],
            "tzdata_version": tzdata_version,
        },
    )
    return finished.rowcount == len(files)


def finish_facts(conn: psycopg.Connection, lease: FinaliseLease, *, tzdata_version: str) -> bool:
    """Commit that a job of kind facts has succeeded. Return False if the lease was lost."""
    finished = conn.execute(_SQL["finish_facts"], {**_fence_of(lease), "tzdata_version": tzdata_version})
    return finished.rowcount == 1


def _fence_of(lease: FinaliseLease) -> dict[str, object]:
    return {"report_id": lease.report_id, "attempt": lease.attempt}
