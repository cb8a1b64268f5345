"""Query and answer bodies of the comparison of two reports."""

from collections.abc import Sequence
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.store_diff import StoreDiffBody
from services.api.use_cases.diff import DiffRow, ReportPair
from shared.reports.model import Report


class DiffQuery(BaseModel):
    """The other report, and position in the list of stores."""

    model_config = ConfigDict(extra="forbid")

    against: UUID = Field(description="The report to compare with, usually the earlier revision.")
    format: Literal["json", "csv"] | None = Field(
        default=None,
        description="`csv` returns all stores as one CSV file. Default: what the `Accept` header asks for, or `json`.",
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")


class ComparedReportBody(BaseModel):
    """One of the two reports, with all that can make its numbers differ besides the data."""

    id: UUID
    revision: int
    data_cut: int = Field(description="The number of the last data change that is in the report.")
    policy_version: int
    tzdata_version: str | None

    @classmethod
    def of_report(cls, report: Report) -> Self:
        """Build the body of a report."""
        return cls(
            id=report.id,
            revision=report.revision,
            data_cut=report.accepted_seq,
            policy_version=report.policy_version,
            tzdata_version=report.tzdata_version,
        )


class ReportDiffBody(BaseModel):
    """A page of the stores that differ, by id."""

    before: ComparedReportBody = Field(description="The report `against`.")
    after: ComparedReportBody = Field(description="This report.")
    causes_complete: bool = Field(
        description="False if retention has removed changes between the two, so that causes may be missing."
    )
    stores: Sequence[StoreDiffBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")

    @classmethod
    def of_page(cls, pair: ReportPair, stores: Sequence[DiffRow], next_cursor: str | None) -> Self:
        """Build a page."""
        return cls(
            before=ComparedReportBody.of_report(pair.before),
            after=ComparedReportBody.of_report(pair.after),
            causes_complete=pair.causes_complete,
            stores=[StoreDiffBody.of_diff(store) for store in stores],
            next=next_cursor,
        )
