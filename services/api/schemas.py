"""The bodies of requests and answers. Unknown fields of a request are refused."""

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
        raise ValueError(f"unknown policy; there are {', '.join(POLICIES)}")
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
            "must be an instant with a time zone such as 2024-10-14T18:00:00Z, or latest, or now"
        )
    return _known_year(instant)


def _known_windows(texts: list[str]) -> list[str]:
    parse_windows(texts)
    return texts


def _known_year(instant: datetime) -> datetime:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_known_year)]


class StoreSelection(BaseModel):
    """Which stores a report holds; with both, those of the ids that have the labels."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]] | None,
        Field(
            min_length=1,
            max_length=MAX_STORE_IDS,
            description="Store ids. An id that is not known is refused; one that was never polled gives no row.",
        ),
    ] = None
    labels: Annotated[Mapping[str, str] | None, AfterValidator(lambda v: v and checked_labels(v))] = Field(
        default=None, min_length=1, description="Labels that a store must have, all of them."
    )

    @model_validator(mode="after")
    def _something(self) -> "StoreSelection":
        if self.ids is None and self.labels is None:
            raise ValueError("name ids or labels, or leave stores out for all stores")
        return self


class ReportParameters(RequestBody):
    """What is asked of a report, now or by a schedule; every field has a default."""

    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY, description=f"How polls become uptime: one of {', '.join(POLICIES)}."
    )
    detail: bool = Field(
        default=False, description="Also unknown time, bounds, numbers of polls, time zones."
    )
    stores: StoreSelection | None = Field(default=None, description="Default: every store.")
    windows: Annotated[list[str], AfterValidator(_known_windows)] = Field(
        default=list(DEFAULT_WINDOW_NAMES),
        min_length=1,
        max_length=MAX_WINDOWS,
        description=(
            f"In the order of the columns: any of {', '.join(NAMED_WINDOWS)}, and ISO 8601 durations up to 366 days"
            " such as PT6H (column suffix last_6h) or P30D (last_30d)."
        ),
    )
    formats: list[FileFormat] = Field(
        default=["csv"],
        min_length=1,
        max_length=len(CONTENT_TYPES),
        description="A file of each. CSV is always among them, since the others are made from it.",
    )

    @property
    def files_made(self) -> tuple[FileFormat, ...]:
        """The formats, in their one order."""
        return tuple(each for each in CONTENT_TYPES if each == "csv" or each in self.formats)

    @property
    def store_filter(self) -> StoreFilter | None:
        """The stores, as the engine takes them; None: every store."""
        return None if self.stores is None else StoreFilter.of(self.stores.ids, self.stores.labels)


class ReportCreate(ReportParameters):
    """Body of `POST /v1/reports`; every field has a default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"windows": ["last_day", "P30D"], "formats": ["xlsx"]}]}
    )

    as_of: Annotated[
        AwareDatetime | Literal["latest", "now"],
        PlainValidator(_instant_or_word, json_schema_input_type=AwareDatetime | Literal["latest", "now"]),
    ] = Field(
        default="latest",
        description="End of every window: an instant, `latest` (the newest accepted poll) or `now`.",
    )
    force: bool = Field(
        default=False,
        description="Compute again even if a report already answers the same request about the same data.",
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https address that is told when the report has ended; signed with the secret of `POST /v1/webhook-secret`.",
    )

    def request(self) -> ReportRequest:
        """The same, as the engine takes it; equal requests are equal."""
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
    """Which reports to list, and from where on."""

    model_config = ConfigDict(extra="forbid")

    state: ReportState | None = None
    policy: KnownPolicy | None = None
    created_after: Instant | None = Field(default=None, description="Included.")
    created_before: Instant | None = Field(default=None, description="Not included.")
    cursor: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200)

    def choice(self) -> ReportChoice:
        """The same, without the place in the list."""
        return ReportChoice(self.state, self.policy, self.created_after, self.created_before)


class Progress(BaseModel):
    """How far the work is."""

    stores_done: int
    stores_total: int


class ReportFile(BaseModel):
    """A finished file. `url` needs no API key and is valid until `expires_at`: when it is given, for half of `UPTILL_PRESIGN_S` at least."""

    name: str = Field(examples=["report.csv"])
    format: FileFormat
    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    rows: int


class LostFile(BaseModel):
    """A file that somebody removed or changed in the object store, and what to do."""

    name: str = Field(examples=["report.csv"])
    format: FileFormat
    detail: str


class StoresHeld(BaseModel):
    """The filter of a report's stores: how many ids were given, and the labels."""

    ids_given: int | None
    labels: Mapping[str, str] | None


class ReportSummary(BaseModel):
    """A report in a list; the report itself has links to its files."""

    id: UUID
    state: ReportState = Field(examples=["succeeded"])
    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: list[str]
    formats: list[FileFormat]
    stores: StoresHeld | None = Field(description="Null: every store.")
    data_cut: int
    tzdata_version: str | None
    progress: Progress
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, report: Report, **more: Any) -> Self:
        """Show a report."""
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
            data_cut=report.accepted_seq,
            tzdata_version=report.tzdata_version,
            progress=Progress(stores_done=report.stores_done, stores_total=report.stores_total),
            error=report.error if report.state == "failed" else None,
            created_at=report.created_at,
            started_at=report.started_at,
            finished_at=report.finished_at,
            **more,
        )


class ReportBody(ReportSummary):
    """A report as a resource."""

    files: list[ReportFile]
    lost_files: list[LostFile] = Field(
        description="Files that are not in the object store in their size: they have no link. Empty when all is well."
    )

    @classmethod
    def with_links(cls, report: Report, signer: LinkSigner, lost: Collection[FileFormat]) -> "ReportBody":
        """Show a report, with a link to each file that is not lost."""
        lost_files = [
            LostFile(name=file_name(each), format=each, detail=how_to_rebuild(report, each)) for each in lost
        ]
        files = [file for file in files_of(report, signer) if file.format not in lost]
        return cls.of(report, files=files, lost_files=lost_files)


class ReportPage(BaseModel):
    """A page of reports, newest first. `next` is the cursor of the page after it; null at the end."""

    reports: list[ReportSummary]
    next: str | None


def files_of(report: Report, signer: LinkSigner) -> list[ReportFile]:
    """What a succeeded report holds, with links: the CSV first."""
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

    report_id: UUID


class LegacyStatus(BaseModel):
    """Answer of `/get_report`."""

    status: Literal["Running", "Complete", "Error"] = Field(examples=["Complete"])
    download_url: str | None = None
    detail: str | None = None
