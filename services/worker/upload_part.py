"""Upload what a batch has rendered. Must not know the database."""

from functools import partial

from services.worker.at_once import run_at_once
from services.worker.part import RenderedPart
from shared.reports.batch import Batch, BatchResult, OutagesPart
from shared.reports.formats import STORED_CSV_TYPE, FileKind
from shared.storage import Storage, StoredObject


def upload_part(
    storage: Storage, batch: Batch, attempt: str, rendered: RenderedPart
) -> tuple[StoredObject, BatchResult]:
    """Write the part of the report, and that of the outages if there is one, under keys that only this attempt writes."""
    lines = rendered.outages
    files: dict[FileKind, bytes] = {"report": rendered.data}
    if lines is not None:
        files["outages"] = lines.data
    part, *others = run_at_once(
        [
            partial(storage.put, batch.part_key(attempt, kind), data, STORED_CSV_TYPE)
            for kind, data in files.items()
        ]
    )
    outages = OutagesPart(others[0], lines.rows) if lines is not None else None
    return part, BatchResult(rendered.failed, rendered.left_out, outages, rendered.facts_only)
