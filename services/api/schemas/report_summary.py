"""Answer bodies for reports in a list."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from shared.reports.formats import FileFormat, FileKind
from shared.reports.model import Report, ReportState
from shared.uptime.window import window_names


class ProgressBody(BaseModel):
    """How much of the report is computed."""

    stores_done: int = Field(description="Stores whose batch is done.")
    stores_total: int = Field(description="All stores of the report.")

    @classmethod
    def of_report(cls, report: Report) -> Self:
        """Build the progress of a report."""
        return cls(stores_done=report.stores_done, stores_total=report.stores_total)


class StoreFilterBody(BaseModel):
    """How the stores of a report were chosen."""

    ids_given: int | None = Field(description="How many ids were given; null if none were.")
    labels: Mapping[str, str] | None = Field(description="The labels that stores had to have; null if none.")


class FactsOnlyBody(BaseModel):
    """Days of a report whose polls are gone: their numbers are those of the daily facts."""

    first: date = Field(description="The first local date.", examples=["2025-11-01"])
    last: date = Field(description="The last local date.", examples=["2026-04-30"])

    @classmethod
    def of_report(cls, report: Report) -> Self | None:
        """Build the body of a report; None if no day was read from facts alone."""
        first, last = report.facts_only_first, report.facts_only_last
        return None if first is None or last is None else cls(first=first, last=last)


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
    windows: list[str] = Field(
        description="The names of the windows, as in the columns: `last_6h` for `PT6H`.",
        examples=[["last_day", "last_6h"]],
    )
    formats: list[FileFormat]
    requested_files: list[FileKind] = Field(description="The kinds of files that were requested.")
    stores: StoreFilterBody | None = Field(description="How the stores were chosen; null for every store.")
    exclude_reasons: list[str] = Field(
        description="The reasons whose time was left out of the open time.", examples=[["paused_by_store"]]
    )
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
    facts_only_days: FactsOnlyBody | None = Field(
        description=(
            "The local dates, from the first to the last, that were read from daily facts because retention has dropped"
            " polls that they need. Null if there are none, or no batch is done yet."
        )
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
            windows=window_names(report.windows),
            formats=list(report.formats),
            requested_files=list(report.file_kinds),
            stores=StoreFilterBody(ids_given=report.ids_given, labels=report.labels) if has_filter else None,
            exclude_reasons=list(report.exclude_reasons),
            data_cut=report.accepted_seq,
            revision=report.revision,
            revision_of=report.revision_of,
            pinned_cut=report.pinned_cut,
            tzdata_version=report.tzdata_version,
            progress=ProgressBody.of_report(report),
            stores_failed=report.stores_failed,
            facts_only_days=FactsOnlyBody.of_report(report),
            error=report.error if report.state == "failed" else None,
            created_at=report.created_at,
            started_at=report.started_at,
            finished_at=report.finished_at,
            **more,
        )


class ReportPage(BaseModel):
    """A page of reports, newest first."""

    reports: list[ReportSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
