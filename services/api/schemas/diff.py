"""Answer bodies of the comparison of two reports, as JSON and as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.api.use_cases.diff import DiffCause, DiffRow, ReportPair
from shared.formulas import inert, inert_cells
from shared.reports.compare import Presence
from shared.reports.model import Report

CSV_COLUMNS = ("store_id", "presence", "column", "before", "after", "causes")
_TEXT_COLUMNS = {"timezone"}
CauseKind = Literal[
    "late_polls",
    "corrected_polls",
    "hours",
    "timezone",
    "labels",
    "special_hours",
    "calendar",
    "lifetime",
    "closure",
]


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


class ChangedValueBody(BaseModel):
    """One column of a store that differs."""

    column: str = Field(examples=["downtime_last_day"])
    before: float | str | None = Field(description="The value in the report `against`; null without a row.")
    after: float | str | None = Field(description="The value in this report; null without a row.")


class CauseBody(BaseModel):
    """A change of the store's data between the data cuts of the two reports."""

    kind: CauseKind
    subject: str | None = Field(
        description=(
            "The id of the closure, the name of the calendar, the date of special hours, or the date from which hours"
            " hold; null for everything else."
        )
    )
    import_id: UUID | None = Field(
        description="The import that made the change; null once it is forgotten (`UPTILL_IMPORTS_KEEP_DAYS`)."
    )
    changed_by: str | None = Field(
        description="The prefix of the API key that made the change; null for the command and for live polls."
    )
    changed_at: datetime | None
    polls: int | None = Field(description="How many polls were late or corrected; null for other kinds.")
    first_poll_at: datetime | None
    last_poll_at: datetime | None


class StoreDiffBody(BaseModel):
    """A store whose numbers differ."""

    store_id: str
    presence: Presence = Field(
        description="`changed`: in both reports. `added`: only in this report. `removed`: only in the report `against`."
    )
    values: Sequence[ChangedValueBody]
    causes: Sequence[CauseBody]

    @classmethod
    def of_diff(cls, store: DiffRow) -> Self:
        """Build the body of a store."""
        return cls(
            store_id=store.difference.store_id,
            presence=store.difference.presence,
            values=[
                ChangedValueBody(column=name, before=_value(name, before), after=_value(name, after))
                for name, (before, after) in store.difference.values.items()
            ],
            causes=[CauseBody.model_validate(vars(cause)) for cause in store.causes],
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


async def render_diff_csv(stores: AsyncIterator[DiffRow]) -> AsyncIterator[str]:
    """Yield a CSV with a row for each value that differs; text is safe for spreadsheets."""
    yield _csv_lines([CSV_COLUMNS])
    async for store in stores:
        yield _csv_lines(_csv_rows(store))


def _csv_rows(store: DiffRow) -> Iterator[Sequence[str]]:
    found = store.difference
    causes = inert_cells("; ".join(_describe(cause) for cause in store.causes))
    for name, (before, after) in found.values.items():
        yield inert(found.store_id), found.presence, name, before or "", after or "", causes


def _csv_lines(rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _describe(cause: DiffCause) -> str:
    what = cause.kind if cause.subject is None else f"{cause.kind} {cause.subject}"
    count = "" if cause.polls is None else f" ({cause.polls})"
    at = "" if cause.changed_at is None else f" at {cause.changed_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{what}{count} by {cause.changed_by or 'command'}{at}"


def _value(column: str, text: str | None) -> float | str | None:
    if text is None or column in _TEXT_COLUMNS:
        return text
    # A mean that divides by nothing is empty.
    return float(text) if text else None
