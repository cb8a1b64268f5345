"""Request and answer bodies for reports. Requests with unknown fields are refused."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from services.api.files import how_to_rebuild
from services.api.signing import LinkSigner
from shared.http.bodies import RequestBody
from shared.labels import checked_labels
from shared.reports.model import (
    CONTENT_TYPES,
    FileFormat,
    Report,
    ReportRequest,
    ReportState,
    StoreFilter,
    file_name,
)
from shared.reports.read import ReportChoice
from shared.uptime.policy import DEFAULT_POLICY, POLICIES
from shared.uptime.window import DEFAULT_WINDOW_NAMES, MAX_WINDOWS, NAMED_WINDOWS, parse_windows
from shared.webhooks.address import MAX_URL

MAX_STORE_IDS = 10_000
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


def _known_policy(name: str) -> str:
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name!r}: use one of {', '.join(POLICIES)}")
    return name


KnownPolicy = Annotated[str, AfterValidator(_known_policy)]


def _instant_or_word(as_of: object) -> datetime | Literal["latest", "now"]:
    if as_of == "latest" or as_of == "now":  # noqa: PLR1714 - keeps the literal types
        return as_of
    try:
        instant = datetime.fromisoformat(as_of) if isinstance(as_of, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            f"invalid as_of {as_of!r}: use an instant with a UTC offset such as 2024-10-14T18:00:00Z, or latest, or now"
        )
    return _known_year(instant)


def _known_windows(texts: list[str]) -> list[str]:
    parse_windows(texts)
    return texts


def _known_year(instant: datetime) -> datetime:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(
            f"{instant.isoformat()} is out of range: use a year from {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_known_year)]


class StoreSelection(BaseModel):
    """The stores of a report. With both fields, stores must match both."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]] | None,
        Field(
            min_length=1,
            max_length=MAX_STORE_IDS,
            description="Store ids. Unknown ids are refused. A store that was never polled gets no row.",
        ),
    ] = None
    labels: Annotated[Mapping[str, str] | None, AfterValidator(lambda v: v and checked_labels(v))] = Field(
        default=None,
        min_length=1,
        description="Labels that a store must have, by name. All of them must match.",
    )

    @model_validator(mode="after")
    def _something(self) -> "StoreSelection":
        if self.ids is None and self.labels is None:
            raise ValueError(
                "stores is empty: give ids or labels, or leave stores out to report on every store"
            )
        return self


class ReportParameters(RequestBody):
    """The parameters of a report. Every field has a default."""

    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )
    detail: bool = Field(
        default=False, description="Add columns for unknown time, bounds, poll counts and time zones."
    )
    stores: StoreSelection | None = Field(
        default=None, description="The stores to report on. Default: every store the key can see."
    )
    windows: Annotated[list[str], AfterValidator(_known_windows)] = Field(
        default=list(DEFAULT_WINDOW_NAMES),
        min_length=1,
        max_length=MAX_WINDOWS,
        description=(
            f"The time windows, in column order. Each is one of {', '.join(NAMED_WINDOWS)}, or an ISO 8601 duration up to"
            " 366 days such as PT6H (column suffix `last_6h`) or P30D (`last_30d`)."
        ),
    )
    formats: list[FileFormat] = Field(
        default=["csv"],
        min_length=1,
        max_length=len(CONTENT_TYPES),
        description="The file formats to produce. CSV is always included.",
    )

    @property
    def files_made(self) -> tuple[FileFormat, ...]:
        """The formats, with CSV, in a fixed order."""
        return tuple(each for each in CONTENT_TYPES if each == "csv" or each in self.formats)

    @property
    def store_filter(self) -> StoreFilter | None:
        """The store filter; None means every store."""
        return None if self.stores is None else StoreFilter.of(self.stores.ids, self.stores.labels)


class ReportCreate(ReportParameters):
    """Body of `POST /v1/reports`. Every field has a default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"windows": ["last_day", "P30D"], "formats": ["xlsx"]}]}
    )

    as_of: Annotated[
        AwareDatetime | Literal["latest", "now"],
        PlainValidator(_instant_or_word, json_schema_input_type=AwareDatetime | Literal["latest", "now"]),
    ] = Field(
        default="latest",
        description="The end of every window: an instant, `latest` (the newest accepted poll) or `now`.",
    )
    force: bool = Field(
        default=False,
        description="Compute a new report even if one exists for the same parameters and data.",
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when the report has ended. Calls are signed with the secret from `POST /v1/webhook-secret`.",
    )

    def request(self) -> ReportRequest:
        """Return the request as a value. Requests that ask the same compare equal."""
        return ReportRequest(
            policy=self.policy,
            as_of=self.as_of,
            detail=self.detail,
            force=self.force,
            windows=tuple(self.windows),
            formats=self.files_made,
            stores=self.store_filter,
            webhook_url=self.webhook_url,
        )


class ReportQuery(BaseModel):
    """Filters and position in the list of reports."""

    model_config = ConfigDict(extra="forbid")

    state: ReportState | None = Field(default=None, description="Only reports in this state.")
    policy: KnownPolicy | None = Field(default=None, description="Only reports with this policy.")
    created_after: Instant | None = Field(
        default=None, description="Only reports created at or after this instant."
    )
    created_before: Instant | None = Field(
        default=None, description="Only reports created before this instant."
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most reports to return.")

    def choice(self) -> ReportChoice:
        """Return the filters without the position."""
        return ReportChoice(self.state, self.policy, self.created_after, self.created_before)


class Progress(BaseModel):
    """How much of the report is computed."""

    stores_done: int = Field(description="Stores whose batch is done.")
    stores_total: int = Field(description="All stores of the report.")


class ReportFile(BaseModel):
    """A finished file with its download link."""

    name: str = Field(examples=["report.csv"])
    format: FileFormat
    url: str = Field(description="A link that works without an API key until `expires_at`.")
    expires_at: datetime = Field(
        description="When the link ends: at least half of `UPTILL_PRESIGN_S` from now. Show the report again for a new link."
    )
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file, in hex.")
    rows: int = Field(description="Rows without the header: one per store.")


class LostFile(BaseModel):
    """A file that was removed from or changed in the object store."""

    name: str = Field(examples=["report.csv"])
    format: FileFormat
    detail: str = Field(description="How to get the file back.")


class StoresHeld(BaseModel):
    """How the stores of a report were chosen."""

    ids_given: int | None = Field(description="How many ids were given; null if none were.")
    labels: Mapping[str, str] | None = Field(description="The labels that stores had to have; null if none.")


class ReportSummary(BaseModel):
    """A report in a list, without its files."""

    id: UUID
    state: ReportState = Field(examples=["succeeded"])
    as_of: datetime = Field(description="The end of every window, fixed when the report was created.")
    policy: str
    policy_version: int = Field(
        description="The version of the policies' rules; see docs/explanation/accounting.md."
    )
    detail: bool
    windows: list[str]
    formats: list[FileFormat]
    stores: StoresHeld | None = Field(description="How the stores were chosen; null for every store.")
    data_cut: int = Field(
        description="The number of the last data change accepted before the report was created."
    )
    tzdata_version: str | None = Field(
        description="The time zone database used; null until the report has succeeded."
    )
    progress: Progress
    error: dict[str, Any] | None = Field(
        description="Why the report failed; null unless `state` is `failed`."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, report: Report, **more: Any) -> Self:
        """Build the answer for a report."""
        has_filter = report.ids_given is not None or report.labels is not None
        return cls(
            id=report.id,
            state=report.state,
            as_of=report.as_of,
            policy=report.policy,
            policy_version=report.policy_version,
            detail=report.detail,
            windows=list(report.windows),
            formats=list(report.formats),
            stores=StoresHeld(ids_given=report.ids_given, labels=report.labels) if has_filter else None,
            data_cut=report.data_cut,
            tzdata_version=report.tzdata_version,
            progress=Progress(stores_done=report.stores_done, stores_total=report.stores_total),
            error=report.error if report.state == "failed" else None,
            created_at=report.created_at,
            started_at=report.started_at,
            finished_at=report.finished_at,
            **more,
        )


class ReportBody(ReportSummary):
    """A report with links to its files."""

    files: list[ReportFile] = Field(
        description="The finished files, CSV first. Empty until the report has succeeded."
    )
    lost_files: list[LostFile] = Field(
        description="Files that are missing from the object store, or have another size there. They have no link. Normally empty."
    )

    @classmethod
    def with_links(cls, report: Report, signer: LinkSigner, lost: Collection[FileFormat]) -> "ReportBody":
        """Build the answer with a link to each file that is not lost."""
        lost_files = [
            LostFile(name=file_name(each), format=each, detail=how_to_rebuild(report, each)) for each in lost
        ]
        files = [file for file in files_of(report, signer) if file.format not in lost]
        return cls.of(report, files=files, lost_files=lost_files)


class ReportPage(BaseModel):
    """A page of reports, newest first."""

    reports: list[ReportSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


def files_of(report: Report, signer: LinkSigner) -> list[ReportFile]:
    """Return the files of a succeeded report with links, the CSV first."""
    if report.state != "succeeded":
        return []
    return [
        ReportFile(
            name=file_name(file.format),
            format=file.format,
            url=link.url,
            expires_at=link.expires_at,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            rows=file.rows,
        )
        for file, link in ((file, signer.link(file)) for file in report.files)
    ]


class Triggered(BaseModel):
    """Answer of `/trigger_report`."""

    report_id: UUID = Field(description="Pass it to `/get_report`.")


class LegacyStatus(BaseModel):
    """Answer of `/get_report`."""

    status: Literal["Running", "Complete", "Error"] = Field(examples=["Complete"])
    download_url: str | None = Field(default=None, description="A link to the CSV, when `Complete`.")
    detail: str | None = Field(default=None, description="What went wrong, when `Error`.")
