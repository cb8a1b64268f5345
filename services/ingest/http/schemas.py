"""Request and answer bodies of the ingest service. Requests with unknown fields are refused."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from services.ingest.http.imports import ImportRow
from services.ingest.http.live_polls import MAX_POLLS
from services.ingest.import_result import ImportResult
from shared.labels import MAX_LABELS, checked_labels

ImportState = Literal["queued", "running", "succeeded", "stopped", "failed", "canceled"]
MAX_INTERVALS = 7 * 24 * 4


class Observation(BaseModel):
    """One poll. `observed_at` may also be named `timestamp_utc`, and accepts every format that files accept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    store_id: str = Field(description="The store's id. An unknown store is added.")
    status: str = Field(
        description="`active`, `inactive`, or a word that `UPTILL_STATUS_WORDS` of the service maps to one of them.",
        examples=["active"],
    )
    observed_at: str = Field(
        validation_alias=AliasChoices("observed_at", "timestamp_utc"),
        description="When the store was polled: an instant with a UTC offset, such as `2024-10-14T18:00:00Z`.",
    )


class ObservationsCreate(BaseModel):
    """Body of `POST /v1/observations`."""

    model_config = ConfigDict(extra="forbid")

    observations: list[Observation] = Field(
        min_length=1, max_length=MAX_POLLS, description="The polls, in any order."
    )


class CountsBody(BaseModel):
    """What happened to valid rows. Each row counts once."""

    accepted: int = Field(description="New rows.")
    duplicate: int = Field(description="Rows that were stored before and changed nothing.")
    corrected: int = Field(description="Rows that replaced a stored row with another value.")


class IntervalBody(BaseModel):
    """One opening interval in local time. If the end is not after the start, it ends on the next day."""

    model_config = ConfigDict(extra="forbid", strict=True)

    day_of_week: Annotated[
        str,
        BeforeValidator(lambda given: str(given) if type(given) is int else given),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 6}, {"type": "string"}]}),
    ] = Field(
        description="0 (Monday) to 6 (Sunday), or an English name such as `Monday` or `Mon`.", examples=[0]
    )
    start_time_local: str = Field(
        description="The local time at which the store opens, in any form that files may have.",
        examples=["09:00"],
    )
    end_time_local: str = Field(
        description="The local time at which the store closes; `24:00` is midnight.", examples=["17:30"]
    )


class HoursChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/hours`. With an empty list the store is open around the clock."""

    model_config = ConfigDict(extra="forbid")

    hours: list[IntervalBody] = Field(
        max_length=MAX_INTERVALS,
        description="All opening intervals of the week; they replace the stored ones.",
    )


class TimezoneChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/timezone`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    timezone: str = Field(description="An IANA time zone, such as `America/Chicago`.")


class LabelsChange(BaseModel):
    """Body of `PUT /v1/stores/{store_id}/labels`. Labels that are left out are removed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[dict[str, str], AfterValidator(checked_labels)] = Field(
        max_length=MAX_LABELS,
        description="All labels of the store, by name.",
        examples=[{"region": "north", "owner": "Acme"}],
    )


class StoreChangedBody(BaseModel):
    """The result of changing one store."""

    store_id: str
    import_id: UUID | None = Field(
        description="The import that records the change. Null: it was a dry run, and nothing was changed."
    )
    counts: CountsBody
    warnings: list[str] = Field(
        default=[],
        description="What to check: a zone that never changes its clocks, a Windows name that was read, days numbered"
        " from 1 to 5, an opening of more than 16 hours across midnight, and what the diagnostics find in the store's"
        " hours, dates and lifetime.",
    )


class ImportCountsBody(CountsBody):
    """What happened to the rows of an import; for an archive, the sum over its members."""

    rows_read: int = Field(description="All data rows read so far.")
    rejected: int = Field(description="Invalid rows; `GET /v1/imports/{import_id}/rejects` lists them.")


class ImportProgressBody(BaseModel):
    """How much of the file has been read."""

    bytes_done: int
    bytes_total: int | None = Field(
        description="Null if unknown: for gzip, for archives, and before the import runs."
    )


class ImportBody(BaseModel):
    """An import. The members of an archive are imports too."""

    id: UUID
    parent_id: UUID | None = Field(description="The archive that contains this file; null for other imports.")
    state: ImportState = Field(examples=["succeeded"])
    kind: (
        Literal[
            "polls",
            "hours",
            "timezones",
            "labels",
            "special_hours",
            "lifetimes",
            "closures",
            "calendars",
            "archive",
        ]
        | None
    )
    origin: Literal["upload", "command", "live", "change", "retention"] = Field(
        description="Where the rows come from: `upload` (`POST /v1/imports`), `command` (`uptill ingest`), `live` (the live polls of one day), `change` (a change of one store) or `retention` (old polls that were removed)."
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


class RejectBody(BaseModel):
    """A row that would be rejected."""

    line: int
    byte_offset: int
    reason: str
    raw: str


class DryRunFileBody(BaseModel):
    """What loading one file would give."""

    source: str = Field(description="The name of the file.")
    kind: Literal["polls", "hours", "timezones", "special_hours", "lifetimes", "closures"] | None = Field(
        description="Null: the file would be refused."
    )
    state: ImportState
    counts: ImportCountsBody
    first_rejects: list[RejectBody] = Field(description="The first rows that would be rejected.")
    quality: dict[str, Any] | None = Field(
        description="As of an import, and `plan`: `stores`, `new_stores` and the first of them, `first_date`, `last_date`,"
        " and `rows_removed` of hours."
    )
    error: str | None = Field(description="Why the file would be refused; otherwise null.")


class DryRunBody(BaseModel):
    """What an upload would change. Nothing was changed, and no import is listed."""

    files: list[DryRunFileBody]

    @classmethod
    def of_results(cls, results: Sequence[ImportResult]) -> Self:
        """Build the answer for the files of an upload."""
        return cls(files=[_describe_file(one) for one in results])


def _describe_file(one: ImportResult) -> DryRunFileBody:
    return DryRunFileBody(
        source=one.source,
        kind=one.kind,
        state=one.state,
        counts=ImportCountsBody(
            rows_read=one.rows_read,
            accepted=one.accepted,
            duplicate=one.duplicate,
            corrected=one.corrected,
            rejected=one.rejected,
        ),
        first_rejects=[
            RejectBody(
                line=each.line,
                byte_offset=each.byte_offset,
                reason=each.reason,
                raw=each.raw.decode("utf-8", "backslashreplace"),
            )
            for each in one.first_rejects
        ],
        quality=dict(one.quality) if one.quality else None,
        error=one.error,
    )
