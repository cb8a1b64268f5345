"""Bodies of jobs that compute daily facts."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.parameters import KnownPolicy
from services.api.schemas.report_summary import ProgressBody
from services.api.schemas.store_job import StoreJobBody
from shared.facts.jobs import FactsRequest
from shared.http.bodies import RequestBody
from shared.http.written_times import WrittenDate
from shared.reports.model import ReportState
from shared.uptime.policy import DEFAULT_POLICY, POLICIES


class FactsCreate(RequestBody):
    """The local dates to compute, for every store. Days that still hold are not computed again."""

    first_day: WrittenDate = Field(description="The first local date.", examples=["2026-10-01"])
    last_day: WrittenDate = Field(description="The last local date.", examples=["2026-10-31"])
    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )

    def to_request(self) -> FactsRequest:
        """Return the request. Raises `InvalidRequest` for dates out of order or too far apart."""
        return FactsRequest(self.first_day, self.last_day, self.policy)


class FactsQuery(BaseModel):
    """Filters and position in the list of jobs. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    state: ReportState | None = Field(default=None, description="Only jobs in this state.")
    policy: KnownPolicy | None = Field(default=None, description="Only jobs with this policy.")
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most jobs to return.")


class FactsBody(StoreJobBody):
    """A job that computes daily facts."""

    id: UUID
    state: ReportState = Field(examples=["running"])
    policy: str
    first_day: date = Field(description="The first local date.")
    last_day: date = Field(description="The last local date.")
    as_of: datetime = Field(
        description="When the job was accepted. Days that were not final then are left out."
    )
    progress: ProgressBody
    stores_failed: int = Field(description="Stores that could not be computed, so that they have no facts.")
    error: dict[str, Any] | None = Field(description="Why the job failed; null otherwise.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class FactsPage(BaseModel):
    """Jobs that compute daily facts, newest first."""

    jobs: list[FactsBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
