"""Write the files of a report: its parts become one CSV, and the other formats are made from that."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.worker.columns import report_columns
from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.merge import merge_parts
from services.worker.provenance import FileContents, describe_provenance
from services.worker.stages import stage
from shared import failpoints
from shared.errors import DiskFull, ObjectCorrupt
from shared.reports.formats import FileFormat
from shared.reports.model import FinaliseLease, Part, ReportFacts
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


def write_report_files(
    work: Finalisation, parts: Sequence[Part], facts: ReportFacts
) -> Mapping[FileFormat, StoredObject]:
    """Write every file that was asked for, and check that each new one is in the bucket.

    Raises `ObjectLost` for a part that is missing or was changed, and for a file that was changed while it was made.
    """
    context = work.context
    with stage("merge"):
        csv = merge_parts(context.storage, work.lease.object_key("csv"), parts, work.require_lease)
    with stage("convert"):
        others = _convert_csv(work, csv, facts, rows=sum(part.rows for part in parts))
    failpoints.hit("merge.after")
    for file in ([] if len(parts) == 1 else [csv]) + list(others.values()):
        if not context.storage.holds(file):
            raise ObjectCorrupt(f"the object {file.key} is not in the bucket as it was just written")
    return {"csv": csv, **others}


def _convert_csv(
    work: Finalisation, csv: StoredObject, facts: ReportFacts, *, rows: int
) -> dict[FileFormat, StoredObject]:
    """Write the other formats. Imports pyarrow only if there are any."""
    if tuple(facts.formats) == ("csv",):
        return {}
    # The import takes 0.2 s and 40 MB.
    from services.worker.formats.write_files import write_files  # noqa: PLC0415

    columns = report_columns(parse_windows(facts.windows), detail=facts.detail)
    contents = FileContents(columns, describe_provenance(work.lease.report_id, facts, csv, rows), rows)
    try:
        return write_files(
            work.context.storage, work.lease, csv, facts.formats, contents, on_piece=work.require_lease
        )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("the worker's disk has no room for the temporary files of a format") from error
        raise
