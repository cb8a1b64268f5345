"""Bodies of jobs that conclude insights."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.api.schemas.report_summary import ProgressBody
from services.api.schemas.store_job import StoreJobBody
from shared.reports.model import ReportState


class InsightRunBody(StoreJobBody):
    """A run: a job that counts the hours of every store and concludes insights from them."""

    id: UUID
    state: ReportState = Field(examples=["running"])
    first_day: date = Field(description="The first of the local dates that it looks at.")
    last_day: date = Field(description="The last one: it has ended in every time zone.")
    as_of: datetime = Field(description="The newest poll when the run was accepted.")
    progress: ProgressBody
    stores_failed: int = Field(description="Stores that could not be computed.")
    error: dict[str, Any] | None = Field(description="Why the run failed; null otherwise.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
