"""Answer bodies for schedules in a list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.api.schemas.schedule_terms import Deliver
from shared.labels import shown_labels
from shared.schedules.model import ScheduleState, StoredSchedule


class ScheduleSummary(BaseModel):
    """A schedule in a list."""

    id: UUID
    name: str = Field(examples=["weekdays, north"])
    cron: str = Field(examples=["0 6 * * 1-5"])
    timezone: str = Field(examples=["America/Chicago"])
    deliver: Deliver
    state: ScheduleState = Field(
        examples=["active"],
        description="A `failed` schedule cannot be run: correct it as `error` says, then set `state` to `active`.",
    )
    error: str | None = Field(description="Why the schedule is `failed`; otherwise null.")
    next_due_at: datetime | None = Field(
        examples=["2024-10-15T11:00:00Z"],
        description=(
            "The next due time; null while paused or failed. It is in the past if the scheduler is late or not running."
        ),
    )
    store_labels: Mapping[str, str] | None = Field(
        description="The stores that the creating key may see: those with all of these labels; null for every store."
    )
    created_by: str = Field(description="The prefix of the key that created it.")
    created_at: datetime

    @classmethod
    def of_schedule(cls, schedule: StoredSchedule, **more: Any) -> Self:
        """Build the answer for a schedule."""
        return cls(
            id=schedule.id,
            name=schedule.name,
            cron=schedule.cron,
            timezone=schedule.timezone,
            # Not validated: one row that no request can have written must not break a page.
            deliver=Deliver.model_construct(
                webhook_url=schedule.webhook_url,
                s3_prefix=schedule.s3_prefix,
                channels=list(schedule.channels),
            ),
            state=schedule.state,
            error=schedule.error,
            next_due_at=schedule.due_at if schedule.state == "active" else None,
            store_labels=None if schedule.scope is None else shown_labels(schedule.scope),
            created_by=schedule.created_by,
            created_at=schedule.created_at,
            **more,
        )


class SchedulePage(BaseModel):
    """A page of schedules, newest first."""

    schedules: list[ScheduleSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
