"""The bodies of requests and answers. Unknown fields of a request are refused."""

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
    """One poll. The instant may also be called `timestamp_utc`, as in files, and takes all forms that files take."""

    model_config = ConfigDict(extra="forbid", strict=True)

    store_id: str
    status: str = Field(description="`active` or `inactive`.", examples=["active"])
    observed_at: str = Field(
        validation_alias=AliasChoices("observed_at", "timestamp_utc"),
        description="An instant with its zone, such as `2024-10-14T18:00:00Z`.",
    )


class ObservationsCreate(BaseModel):
    """Body of `POST /v1/observations`."""

    model_config = ConfigDict(extra="forbid")

    observations: list[Observation] = Field(min_length=1, max_length=MAX_POLLS)


class CountsBody(BaseModel):
    """What became of rows; every row is in exactly one of these."""

    accepted: int
    duplicate: int
    corrected: int


class Interval(BaseModel):
    """One opening, in local time; it ends on the next day unless it ends after it starts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    day_of_week: int = Field(ge=0, le=6, description="0 is Monday.")
    start_time_local: str
    end_time_local: str


class HoursChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/hours`; without intervals the store is open 24x7."""

    model_config = ConfigDict(extra="forbid")

    hours: list[Interval] = Field(max_length=MAX_INTERVALS)


class TimezoneChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/timezone`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timezone: str = Field(description="A name of the IANA database, such as `America/Chicago`.")


class LabelsChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/labels`; labels that are not in it are removed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS, examples=[{"region": "north", "owner": "Acme"}]
    )


class StoreChanged(BaseModel):
    """What a change of one store did, and the import it is recorded as."""

    store_id: str
    import_id: UUID
    counts: CountsBody


class ImportCounts(CountsBody):
    """The counts of an import; of an archive, those of its members together."""

    rows_read: int
    rejected: int


class ImportProgress(BaseModel):
    """How far the import is. `bytes_total` is null where it is not known (gzip, archives; before it runs)."""

    bytes_done: int
    bytes_total: int | None


class ImportBody(BaseModel):
    """An import as a resource. An archive has `members`, each an import of its own."""

    id: UUID
    parent_id: UUID | None
    state: ImportState = Field(examples=["succeeded"])
    kind: Literal["polls", "hours", "timezones", "labels", "archive"] | None
    origin: Literal["upload", "command", "live", "change", "retention"] = Field(
        description="Where it comes from: `POST /v1/imports`, `uptill ingest`, the live polls of a day, a change of one store, or polls that were dropped as old."
    )
    source: str
    counts: ImportCounts
    progress: ImportProgress
    sha256: str | None
    same_as: UUID | None
    quality: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    members: list["ImportBody"] = []

    @classmethod
    def of(cls, row: ImportRow, members: list[ImportRow] | None = None) -> Self:
        """Show an import."""
        return cls(
            id=row.id,
            parent_id=row.parent_id,
            state=row.state,
            kind=row.kind,
            origin=row.origin,
            source=row.source,
            counts=ImportCounts(
                rows_read=row.rows_read,
                accepted=row.accepted,
                duplicate=row.duplicate,
                corrected=row.corrected,
                rejected=row.rejected,
            ),
            progress=ImportProgress(
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
            members=[ImportBody.of(member) for member in members or ()],
        )


class ImportPage(BaseModel):
    """A page of imports, newest first. `next` is the cursor of the page after it; null at the end."""

    imports: list[ImportBody]
    next: str | None
