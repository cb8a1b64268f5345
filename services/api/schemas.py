"""The bodies of requests and answers. Unknown fields of a request are refused."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator

from shared.reports.model import CSV_CONTENT_TYPE, CSV_FILE_NAME, Report, ReportState
from shared.storage import Storage
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def _known_policy(name: str) -> str:
    if name not in POLICIES:
        raise ValueError(f"unknown policy; there are {', '.join(POLICIES)}")
    return name


def _instant_or_word(as_of: object) -> datetime | Literal["latest", "now"]:
    if as_of == "latest" or as_of == "now":  # noqa: PLR1714 - keeps the literal types
        return as_of
    try:
        instant = datetime.fromisoformat(as_of) if isinstance(as_of, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            "must be an instant with a time zone such as 2024-10-14T18:00:00Z, or latest, or now"
        )
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant


class ReportCreate(BaseModel):
    """Body of `POST /v1/reports`; every field has a default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"policy": "classic"}]})

    as_of: Annotated[
        AwareDatetime | Literal["latest", "now"],
        PlainValidator(_instant_or_word, json_schema_input_type=AwareDatetime | Literal["latest", "now"]),
    ] = Field(
        default="latest",
        description="End of every window: an instant, `latest` (the newest accepted poll) or `now`.",
    )
    policy: Annotated[str, AfterValidator(_known_policy)] = Field(
        default=DEFAULT_POLICY, description=f"How polls become uptime: one of {', '.join(POLICIES)}."
    )
    force: bool = Field(
        default=False, description="Compute anew even if the same question about the same data has an answer."
    )
    detail: bool = Field(
        default=False, description="Also unknown time, bounds, numbers of polls, time zones."
    )


class Progress(BaseModel):
    """How far the work is."""

    stores_done: int
    stores_total: int


class ReportFile(BaseModel):
    """A finished file. `url` needs no API key and is valid until `expires_at`; ask again for another."""

    name: str
    format: Literal["csv"]
    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    rows: int


class ReportBody(BaseModel):
    """A report as a resource."""

    id: UUID
    state: ReportState
    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    data_cut: int
    tzdata_version: str | None
    progress: Progress
    files: list[ReportFile]
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, report: Report, storage: Storage, presign_s: int) -> "ReportBody":
        """Show a report; signs a fresh link for each file."""
        return cls(
            id=report.id,
            state=report.state,
            as_of=report.as_of,
            policy=report.policy,
            policy_version=report.policy_version,
            detail=report.detail,
            data_cut=report.data_cut,
            tzdata_version=report.tzdata_version,
            progress=Progress(stores_done=report.stores_done, stores_total=report.stores_total),
            files=files_of(report, storage, presign_s),
            error=report.error if report.state == "failed" else None,
            created_at=report.created_at,
            started_at=report.started_at,
            finished_at=report.finished_at,
        )


def files_of(report: Report, storage: Storage, presign_s: int) -> list[ReportFile]:
    """Sign links to what a succeeded report holds."""
    if report.state != "succeeded" or not report.object or report.size_bytes is None or report.rows is None:
        return []
    url = storage.presign(
        report.object, file_name=CSV_FILE_NAME, content_type=CSV_CONTENT_TYPE, expires_s=presign_s
    )
    return [
        ReportFile(
            name=CSV_FILE_NAME,
            format="csv",
            url=url,
            expires_at=datetime.now(UTC) + timedelta(seconds=presign_s),
            size_bytes=report.size_bytes,
            sha256=report.sha256 or "",
            rows=report.rows,
        )
    ]


class Triggered(BaseModel):
    """Answer of `/trigger_report`."""

    report_id: UUID


class LegacyStatus(BaseModel):
    """Answer of `/get_report`."""

    status: Literal["Running", "Complete", "Error"]
    download_url: str | None = None
    detail: str | None = None


class Health(BaseModel):
    """Answer of `/livez` and `/readyz`: each component with what is wrong with it, or `ok`."""

    status: Literal["ok", "degraded", "unavailable"]
    components: dict[str, str] = {}
