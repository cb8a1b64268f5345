"""Bodies of requests and responses. Unknown fields of a request are refused."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from services.ingest.http.imports import ImportRow
from services.ingest.http.live_polls import MAX_POLLS
from shared.labels import MAX_LABELS, checked_labels

ImportState = Literal["queued", "running", "succeeded", "stopped", "failed", "canceled"]
MAX_INTERVALS = 7 * 24 * 4


class Observation(BaseModel):
    """One poll. The instant may also be named `timestamp_utc`, and may have any form that is valid in a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    store_id: str
    status: str = Field(description="`active` or `inactive`.", examples=["active"])
    observed_at: str = Field(
        validation_alias=AliasChoices("observed_at", "timestamp_utc"),
        description="An instant with a time zone, such as `2024-10-14T18:00:00Z`.",
    )


class ObservationsCreate(BaseModel):
    """Body of `POST /v1/observations`."""

    model_config = ConfigDict(extra="forbid")

    observations: list[Observation] = Field(min_length=1, max_length=MAX_POLLS)


class CountsBody(BaseModel):
    """The outcome of rows. Every row is in exactly one of these counts."""

    accepted: int
    duplicate: int
    corrected: int


class IntervalBody(BaseModel):
    """One opening, in local time. If the end is not after the start, it is on the next day."""

    model_config = ConfigDict(extra="forbid", strict=True)

    day_of_week: int = Field(ge=0, le=6, description="0 is Monday.")
    start_time_local: str
    end_time_local: str


class HoursChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/hours`. Without intervals the store is open 24x7."""

    model_config = ConfigDict(extra="forbid")

    hours: list[IntervalBody] = Field(max_length=MAX_INTERVALS)


class TimezoneChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/timezone`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timezone: str = Field(description="An IANA time zone name, such as `America/Chicago`.")


class LabelsChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/labels`. Labels that are not in it are removed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS, examples=[{"region": "north", "owner": "Acme"}]
    )


class StoreChangedBody(BaseModel):
    """The outcome of a change of one store, and the import that records it."""

    store_id: str
    import_id: UUID
    counts: CountsBody


class ImportCountsBody(CountsBody):
    """The counts of an import. Those of an archive are the sums of its members'."""

    rows_read: int
    rejected: int


class ImportProgressBody(BaseModel):
    """How much of the import is loaded. `bytes_total` is null if unknown: for gzip and archives, and before it runs."""

    bytes_done: int
    bytes_total: int | None


class ImportBody(BaseModel):
    """An import. An archive has `members`, each an import of its own."""

    id: UUID
    parent_id: UUID | None
    state: ImportState = Field(examples=["succeeded"])
    kind: Literal["polls", "hours", "timezones", "labels", "archive"] | None
    origin: Literal["upload", "command", "live", "change", "retention"] = Field(
        description="`POST /v1/imports`, `uptill ingest`, the live polls of a day, a change of one store, or the removal of old polls."
    )
    source: str
    counts: ImportCountsBody
    progress: ImportProgressBody
    sha256: str | None
    same_as: UUID | None
    quality: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    members: list["ImportBody"] = []

    @classmethod
    def from_row(cls, row: ImportRow, members: list[ImportRow] | None = None) -> Self:
        """Make the body from a row of the database."""
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
            quality=row.quality,
            error=row.error,
            created_at=row.created_at,
            started_at=None if row.state == "queued" else row.started_at,
            finished_at=row.finished_at,
            members=[ImportBody.from_row(member) for member in members or ()],
        )


class ImportPage(BaseModel):
    """A page of imports, newest first. `next` is the cursor of the next page, or null on the last page."""

    imports: list[ImportBody]
    next: str | None
