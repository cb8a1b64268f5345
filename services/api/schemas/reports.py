"""Request and answer bodies for reports. Requests with unknown fields are refused."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.api.download_links import LinkSigner, how_to_rebuild
from services.api.schemas.parameters import AsOf, Instant, KnownPolicy, ReportParametersBody
from shared.http.bodies import RequestBody
from shared.reports.formats import FileFormat, FileKind
from shared.reports.model import FileOfReport, Report, ReportState
from shared.reports.parameters import ReportRequest
from shared.reports.read import ReportChoice
from shared.reports.revise import Cut
from shared.webhooks.address import MAX_URL


class ReportCreate(ReportParametersBody):
    """Body of `POST /v1/reports`. Every field has a default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"windows": ["last_day", "P30D"], "formats": ["xlsx"]}]}
    )

    as_of: AsOf = Field(
        default="latest",
        description="The end of every window: an instant, `latest` (the newest accepted poll) or `now`.",
    )
    force: bool = Field(
        default=False,
        strict=True,
        description="Compute a new report even if one exists for the same parameters and data.",
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when the report has ended. Calls are signed with the secret from `POST /v1/webhook-secret`.",
    )

    def to_request(self) -> ReportRequest:
        """Return the request as a value. Requests that ask the same compare equal."""
        return ReportRequest(
            **vars(self.parameters()), as_of=self.as_of, force=self.force, webhook_url=self.webhook_url
        )


class ReportRevise(RequestBody):
    """Body of `POST /v1/reports/{report_id}/revisions`. Every field has a default."""

    cut: Cut = Field(
        default="latest",
        description=(
            "`latest`: with the newest data and today's stores. `original`: with the stores and the data as they were for"
            " the report."
        ),
    )
    force: bool = Field(
        default=False, description="Compute a new revision even if one exists for the same data."
    )
    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when the revision has ended, as for `POST /v1/reports`.",
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

    def filters(self) -> ReportChoice:
        """Return the filters without the position."""
        return ReportChoice(self.state, self.policy, self.created_after, self.created_before)


class ProgressBody(BaseModel):
    """How much of the report is computed."""

    stores_done: int = Field(description="Stores whose batch is done.")
    stores_total: int = Field(description="All stores of the report.")

    @classmethod
    def of_report(cls, report: Report) -> Self:
        """Build the progress of a report."""
        return cls(stores_done=report.stores_done, stores_total=report.stores_total)


class FileBody(BaseModel):
    """A finished file with its download link."""

    name: str = Field(examples=["report.csv"])
    kind: FileKind = Field(description="What its rows are: stores (`report`) or outages (`outages`).")
    format: FileFormat
    url: str = Field(description="A link that works without an API key until `expires_at`.")
    expires_at: datetime = Field(
        description="When the link ends: at least half of `UPTILL_PRESIGN_S` from now. Show the report again for a new link."
    )
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file, in hex.")
    rows: int = Field(
        description="Rows without the header: one per store that did not fail, or one per outage."
    )


class LostFileBody(BaseModel):
    """A file that was removed from or changed in the object store."""

    name: str = Field(examples=["report.csv"])
    kind: FileKind
    format: FileFormat
    detail: str = Field(description="How to get the file back.")


class FailedStoreBody(BaseModel):
    """A store that could not be computed, and why."""

    store_id: str
    reason: str = Field(
        description="`unknown_timezone`, `invalid_hours`, or `not_computed` for any other error.",
        examples=["unknown_timezone"],
    )
    detail: str = Field(description="What is wrong, and what to do.")


class StoreFilterBody(BaseModel):
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
    requested_files: list[FileKind] = Field(description="The kinds of files that were requested.")
    stores: StoreFilterBody | None = Field(description="How the stores were chosen; null for every store.")
    data_cut: int = Field(
        description="The number of the last data change accepted before the report was created."
    )
    revision: int = Field(description="1, or the number of this revision of an earlier report.")
    revision_of: UUID | None = Field(
        description="The first report of the chain of revisions; null for a report that revises none."
    )
    pinned_cut: int | None = Field(
        description="The number of the data change up to which data was read on purpose (`cut: original`); null: the newest."
    )
    tzdata_version: str | None = Field(
        description=(
            "The time zone database of the service that accepted the report; once it has succeeded, of the workers"
            " that computed it. Null for a report that an earlier release accepted and that has not succeeded."
        )
    )
    progress: ProgressBody
    stores_failed: int = Field(
        description="Stores that could not be computed. They have no row in the files, and `failed_stores` names them."
    )
    error: dict[str, Any] | None = Field(
        description="Why the report failed; null unless `state` is `failed`."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of_report(cls, report: Report, **more: Any) -> Self:
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
            requested_files=list(report.file_kinds),
            stores=StoreFilterBody(ids_given=report.ids_given, labels=report.labels) if has_filter else None,
            data_cut=report.accepted_seq,
            revision=report.revision,
            revision_of=report.revision_of,
            pinned_cut=report.pinned_cut,
            tzdata_version=report.tzdata_version,
            progress=ProgressBody.of_report(report),
            stores_failed=report.stores_failed,
            error=report.error if report.state == "failed" else None,
            created_at=report.created_at,
            started_at=report.started_at,
            finished_at=report.finished_at,
            **more,
        )


class ReportBody(ReportSummary):
    """A report with links to its files."""

    files: list[FileBody] = Field(
        description="The finished files: those of the report before those of the outages, CSV first. Empty until the report has succeeded."
    )
    lost_files: list[LostFileBody] = Field(
        description="Files that are missing from the object store, or have another size there. They have no link. Normally empty."
    )
    failed_stores: list[FailedStoreBody] = Field(
        description="The first 100 of the stores that could not be computed, in the order of the file. Normally empty."
    )

    @classmethod
    def with_links(cls, report: Report, signer: LinkSigner, lost: Collection[FileOfReport]) -> "ReportBody":
        """Build the answer with a link to each file that is not lost."""
        lost_files = [
            LostFileBody(
                name=file.name, kind=file.kind, format=file.format, detail=how_to_rebuild(report, file)
            )
            for file in lost
        ]
        lost_names = {file.name for file in lost}
        files = [file for file in list_files(report, signer) if file.name not in lost_names]
        failed = [FailedStoreBody(**vars(store)) for store in report.failed_stores]
        return cls.of_report(report, files=files, lost_files=lost_files, failed_stores=failed)


class ReportPage(BaseModel):
    """A page of reports, newest first."""

    reports: list[ReportSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


class FailedStoreQuery(BaseModel):
    """Position in the list of failed stores."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")


class FailedStorePage(BaseModel):
    """A page of failed stores, by id."""

    failed_stores: list[FailedStoreBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


def list_files(report: Report, signer: LinkSigner) -> list[FileBody]:
    """Return the files of a succeeded report with links, the report's CSV first."""
    if report.state != "succeeded":
        return []
    return [
        FileBody(
            name=file.name,
            kind=file.kind,
            format=file.format,
            url=link.url,
            expires_at=link.expires_at,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            rows=file.rows,
        )
        for file, link in ((file, signer.get_link(file)) for file in report.files)
    ]


class Triggered(BaseModel):
    """Answer of `/trigger_report`."""

    report_id: UUID = Field(description="Pass it to `/get_report`.")


class LegacyStatus(BaseModel):
    """Answer of `/get_report`."""

    status: Literal["Running", "Complete", "Error"] = Field(examples=["Complete"])
    download_url: str | None = Field(default=None, description="A link to the CSV, when `Complete`.")
    detail: str | None = Field(default=None, description="What went wrong, when `Error`.")
