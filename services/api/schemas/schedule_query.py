"""Position in the list of schedules. Unknown fields are refused."""

from pydantic import BaseModel, ConfigDict, Field


class ScheduleQuery(BaseModel):
    """Position in the list of schedules."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most schedules to return.")
