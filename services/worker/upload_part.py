"""Upload what a batch has rendered. Must not know the database."""

from collections.abc import Mapping
from functools import partial

from services.worker.at_once import run_at_once
from services.worker.further_lines import FurtherLines
from services.worker.own_parts import OwnParts
from services.worker.part import RenderedPart
from shared.reports.batch import Batch, BatchResult, FurtherPart
from shared.reports.formats import STORED_CSV_TYPE, FileKind
from shared.storage import Storage, StoredObject


def upload_part(
    storage: Storage, batch: Batch, attempt: str, rendered: RenderedPart, own: OwnParts
) -> tuple[StoredObject, BatchResult]:
    """Write the part of the report, and those of its further files, under keys that only this attempt writes.

    `own` remembers them for the merge.
    """
    given: Mapping[FileKind, FurtherLines | None] = {
        "outages": rendered.outages,
        "reasons": rendered.reasons,
        "summary": rendered.summary,
    }
    further = {kind: lines for kind, lines in given.items() if lines is not None}
    files: Mapping[FileKind, bytes] = {
        "report": rendered.data,
        **{kind: lines.data for kind, lines in further.items()},
    }
    uploaded = run_at_once(
        [
            partial(storage.put, batch.part_key(attempt, kind), data, STORED_CSV_TYPE)
            for kind, data in files.items()
        ]
    )
    for stored, data in zip(uploaded, files.values(), strict=True):
        own.keep(stored, data)
    part, *others = uploaded
    parts = {
        kind: FurtherPart(stored, lines.rows)
        for (kind, lines), stored in zip(further.items(), others, strict=True)
    }
    return part, BatchResult(
        rendered.failed,
        rendered.left_out,
        parts.get("outages"),
        parts.get("reasons"),
        parts.get("summary"),
        rendered.facts_only,
    )
