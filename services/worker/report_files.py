"""Write the files of a report: its parts become one CSV, and the other formats are made from that."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.worker.at_once import run_at_once
from services.worker.columns import (
    LEVEL_COLUMNS,
    OUTAGE_COLUMNS,
    REASON_COLUMNS,
    SUMMARY_COLUMNS,
    Column,
    report_columns,
)
from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.levels.report_file import write_level_file
from services.worker.merge import merge_parts
from services.worker.provenance import FileContents, describe_provenance
from services.worker.stages import stage
from services.worker.summary.merge import merge_summary
from services.worker.summary.sections import PART_COLUMNS
from shared import failpoints
from shared.errors import DiskFull, ObjectCorrupt
from shared.reports.formats import CONTENT_TYPES, FileFormat, FileKind
from shared.reports.model import FileOfReport, FinaliseLease, Part, ReportFacts
from shared.storage import StoredObject
from shared.uptime.window import parse_windows


class LeaseLost(Exception):
    """Another worker has the finalisation, or it was given up. Nothing this worker does can count."""


@dataclass(frozen=True)
class Finalisation:
    """One finalisation under way: its servers, its lease, and the renewal of that."""

    context: WorkerContext
    lease: FinaliseLease
    renewal: LeaseRenewal

    def require_lease(self) -> None:
        """Raise `LeaseLost` unless the lease is held; renew it if that is due."""
        if not self.renewal.is_held():
            raise LeaseLost


def file_columns(facts: ReportFacts) -> Mapping[FileKind, Sequence[Column]]:
    """Return the columns of each kind of file."""
    columns = report_columns(parse_windows(facts.windows), detail=facts.detail)
    return {
        "report": columns,
        "outages": OUTAGE_COLUMNS,
        "reasons": REASON_COLUMNS,
        "summary": SUMMARY_COLUMNS,
        "service_levels": LEVEL_COLUMNS,
    }


def count_columns(facts: ReportFacts) -> Mapping[FileKind, int]:
    """Return the number of columns of the parts of each kind of file."""
    files = {kind: len(columns) for kind, columns in file_columns(facts).items()}
    return {**files, "summary": len(PART_COLUMNS)}


def write_report_files(
    work: Finalisation, parts: Mapping[FileKind, Sequence[Part]], facts: ReportFacts
) -> Sequence[FileOfReport]:
    """Write every file that was asked for from its parts, and check that each new one is in the bucket.

    Raises `ObjectLost` for a part that is missing or was changed, and for a file that was changed while it was made.
    """
    merges = [partial(_merge, work, kind, some, facts) for kind, some in parts.items()]
    csvs = zip(parts, run_at_once(merges), strict=True)
    files = [file for kind, (csv, rows) in csvs for file in _list_files(work, kind, csv, rows, facts)]
    failpoints.hit("merge.after")
    # A single part is the file itself, and was read.
    known = {part.key for some in parts.values() for part in some}
    for file in files:
        if file.object not in known and not work.context.storage.holds(file.stored):
            raise ObjectCorrupt(f"the object {file.object} is not in the bucket as it was just written")
    return files


def _merge(
    work: Finalisation, kind: FileKind, parts: Sequence[Part], facts: ReportFacts
) -> tuple[StoredObject, int]:
    """Write the CSV of one kind; return it and how many rows it has. Service levels are read, and have no parts."""
    storage, key, columns = work.context.storage, work.lease.object_key("csv", kind), count_columns(facts)
    with stage("merge"):
        if kind == "summary":
            return merge_summary(storage, key, parts, columns, facts.windows, work.require_lease)
        if kind == "service_levels":
            return write_level_file(work.context, work.lease.report_id, key, facts, work.require_lease)
        own = work.context.own_parts
        merged = merge_parts(storage, key, parts, columns, work.require_lease, own)
        own.forget(part.key for part in parts)
        return merged, sum(part.rows for part in parts)


def _list_files(
    work: Finalisation, kind: FileKind, csv: StoredObject, rows: int, facts: ReportFacts
) -> list[FileOfReport]:
    """Write the other formats of one kind, and return all its files, the CSV first."""
    with stage("convert"):
        others = _convert_csv(work, csv, facts, kind, rows=rows)
    return [
        FileOfReport.of(file_format, stored, rows, kind)
        for file_format, stored in {"csv": csv, **others}.items()
    ]


def _convert_csv(
    work: Finalisation, csv: StoredObject, facts: ReportFacts, kind: FileKind, *, rows: int
) -> dict[FileFormat, StoredObject]:
    """Write the other formats. Imports pyarrow only if there are any."""
    if tuple(facts.formats) == ("csv",):
        return {}
    # The import takes 0.2 s and 40 MB.
    from services.worker.formats.write_files import write_files  # noqa: PLC0415

    provenance = describe_provenance(work.lease.report_id, facts, csv, rows)
    contents = FileContents(file_columns(facts)[kind], provenance, rows, kind)
    try:
        files = write_files(
            work.context.storage, work.lease, csv, facts.formats, contents, on_piece=work.require_lease
        )
        if kind == "report" and "pdf" in facts.formats:
            files["pdf"] = _write_pdf(work, csv, facts, contents)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("the worker's disk has no room for the temporary files of a format") from error
        raise
    return files


def _write_pdf(
    work: Finalisation, csv: StoredObject, facts: ReportFacts, contents: FileContents
) -> StoredObject:
    """Write the printed report."""
    from services.worker.printed.write_pdf import print_report  # noqa: PLC0415 - pyarrow, as above

    context = work.context
    with work.renewal.renewing():
        printed = print_report(context.pool, context.storage, csv, facts, contents)
    work.require_lease()
    return context.storage.put(work.lease.object_key("pdf"), printed, CONTENT_TYPES["pdf"])
