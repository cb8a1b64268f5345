"""Upload what a batch has rendered. Must not know the database."""

from services.worker.part import RenderedPart
from shared.reports.batch import Batch, BatchResult, OutagesPart
from shared.reports.formats import STORED_CSV_TYPE
from shared.storage import Storage, StoredObject


def upload_part(
    storage: Storage, batch: Batch, attempt: str, rendered: RenderedPart
) -> tuple[StoredObject, BatchResult]:
    """Write the part of the report, and that of the outages if there is one, under keys that only this attempt writes."""
    part = storage.put(batch.part_key(attempt), rendered.data, STORED_CSV_TYPE)
    outages = None
    if (lines := rendered.outages) is not None:
        stored = storage.put(batch.part_key(attempt, "outages"), lines.data, STORED_CSV_TYPE)
        outages = OutagesPart(stored, lines.rows)
    return part, BatchResult(rendered.failed, rendered.left_out, outages)
