"""Bodies of jobs that write months of daily facts as Parquet into the bucket."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.api.schemas.parameters import KnownPolicy
from shared.facts.exports import ExportedMonth, FactsExportJob, FactsExportRequest, parse_month
from shared.http.bodies import RequestBody
from shared.reports.model import ReportState
from shared.uptime.policy import DEFAULT_POLICY, POLICIES


class FactsExportCreate(RequestBody):
    """The months to write. Months whose days have not changed since they were written are left as they are."""

    first_month: str | None = Field(
        default=None,
        description="The first month. Default: the first one that has facts.",
        examples=["2026-10"],
    )
    last_month: str | None = Field(
        default=None,
        description="The last month. Default: the last one that has facts.",
        examples=["2026-10"],
    )
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turned polls into uptime: one of {', '.join(POLICIES)}.",
    )
    force: bool = Field(default=False, strict=True, description="Write months too that have not changed.")

    def to_request(self) -> FactsExportRequest:
        """Return the request. Raises `InvalidRequest` for what is not a month."""
        first, last = (
            None if (text := getattr(self, name)) is None else parse_month(text, name)
            for name in ("first_month", "last_month")
        )
        return FactsExportRequest(first, last, self.policy, self.force)


class ExportedMonthBody(BaseModel):
    """An object with a month of facts."""

    month: str = Field(examples=["2026-10"])
    object: str = Field(
        description="The key in the bucket.", examples=["facts/month=2026-10/classic.parquet"]
    )
    rows: int
    size_bytes: int
    sha256: str
    written_at: datetime
    is_current: bool = Field(description="Whether no day of the month has changed since.")

    @classmethod
    def of(cls, file: ExportedMonth) -> Self:
        """Build the body of a month."""
        return cls(**{**vars(file), "month": _text(file.month)})


class FactsExportBody(BaseModel):
    """A job that writes months of daily facts, and what the bucket has of these months."""

    id: UUID
    state: ReportState = Field(examples=["running"])
    policy: str
    first_month: str = Field(examples=["2026-10"])
    last_month: str = Field(examples=["2026-10"])
    months_done: int
    months_total: int
    files: list[ExportedMonthBody] = Field(
        description="The objects in the bucket, whichever job wrote them. Months without facts have none."
    )
    error: dict[str, Any] | None = Field(description="Why the job failed; null otherwise.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of_job(cls, job: FactsExportJob, files: Sequence[ExportedMonth]) -> Self:
        """Build the body of a job."""
        months = {"first_month": _text(job.first_month), "last_month": _text(job.last_month)}
        return cls(**{**vars(job), **months, "files": [ExportedMonthBody.of(file) for file in files]})


def _text(month: date) -> str:
    return f"{month:%Y-%m}"
