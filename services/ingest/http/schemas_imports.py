"""Answer bodies for imports."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest.http.imports import ImportRow
from services.ingest.http.schemas_counts import ImportCountsBody
from services.ingest.http.schemas_import_parts import ImportKind, ImportProgressBody, ImportState


class ImportBody(BaseModel):
    """An import. The members of an archive are imports too."""

    id: UUID
    parent_id: UUID | None = Field(description="The archive that contains this file; null for other imports.")
    state: ImportState = Field(examples=["succeeded"])
    kind: ImportKind | None
    origin: Literal["upload", "command", "live", "kafka", "change", "retention"] = Field(
        description="Where the rows come from: `upload` (`POST /v1/imports`), `command` (`uptill ingest`), `live` (the live polls of one day), `kafka` (the messages that a consumer group wrote on one day), `change` (a change of one store) or `retention` (old polls that were removed)."
    )
    source: str = Field(description="The name of the file or upload.")
    counts: ImportCountsBody
    progress: ImportProgressBody
    sha256: str | None = Field(description="SHA-256 of the file, in hex; null until it is known.")
    same_as: UUID | None = Field(description="The earlier import of the same bytes, if there is one.")
    reading: dict[str, Any] | None = Field(
        description="How values were to be read: `status`, `date_format`, `assume_utc` and `effective_from`, as far as given; otherwise null."
    )
    quality: dict[str, Any] | None = Field(description="The quality report; null until the import has ended.")
    error: dict[str, Any] | None = Field(description="Why the import failed or stopped; otherwise null.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    members: list["ImportBody"] = Field(default=[], description="The files of an archive.")

    @classmethod
    def from_row(cls, row: ImportRow, members: list[ImportRow] | None = None) -> Self:
        """Build the answer for an import."""
        return cls(
            id=row.id,
            parent_id=row.parent_id,
            state=row.state,
            kind=row.kind,
            origin=row.origin,
            source=row.source,
            counts=ImportCountsBody(
                rows_read=row.rows_read,
                accepted=row.accepted,
                duplicate=row.duplicate,
                corrected=row.corrected,
                rejected=row.rejected,
            ),
            progress=ImportProgressBody(
                bytes_done=row.bytes_done,
                bytes_total=None if row.state == "queued" or row.kind == "archive" else row.size_bytes,
            ),
            sha256=row.sha256,
            same_as=row.same_as,
            reading=row.reading,
            quality=row.quality,
            error=row.error,
            created_at=row.created_at,
            started_at=None if row.state == "queued" else row.started_at,
            finished_at=row.finished_at,
            members=[ImportBody.from_row(member) for member in members or ()],
        )


class ImportPage(BaseModel):
    """A page of imports, newest first."""

    imports: list[ImportBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
