"""Filters and position in the list of reports. Unknown fields are refused."""

from pydantic import BaseModel, ConfigDict, Field

from services.api.schemas.parameters import Instant, KnownPolicy
from shared.reports.model import ReportState
from shared.reports.read import ReportChoice


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
