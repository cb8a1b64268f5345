"""Answer bodies for schedules, with their runs and in a list."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from services.api.schemas.schedule_summary import ScheduleSummary
from services.api.schemas.schedule_terms import ScheduledReport
from shared.reports.model import ReportState
from shared.schedules.cron import list_following
from shared.schedules.model import DeliveryState, Run, StoredSchedule

NEXT_SHOWN = 5


class RunBody(BaseModel):
    """One due time with its report and the delivery of its files."""

    due_at: datetime
    fired_at: datetime = Field(description="When the scheduler handled the due time.")
    report_id: UUID | None = Field(description="The report; null if it was refused.")
    report_state: ReportState | None = Field(examples=["succeeded"])
    error: str | None = Field(description="Why there is no report; otherwise null.")
    delivery: DeliveryState = Field(
        examples=["delivered"], description="The copy to the bucket; `none` without `s3_prefix`."
    )
    delivery_error: str | None = Field(description="Why the last copy failed; otherwise null.")
    objects: list[str] = Field(
        description="The object keys of the delivered files.", examples=[["deliveries/finance/daily/…"]]
    )


class ScheduleBody(ScheduleSummary):
    """A schedule with its report parameters, next due times and latest runs."""

    report: ScheduledReport | None = Field(
        description="The parameters of its reports; null if this release cannot read them."
    )
    next_due: list[datetime] = Field(
        description="The next due times; empty while paused or failed.",
        examples=[["2024-10-15T11:00:00Z", "2024-10-16T11:00:00Z"]],
    )
    runs: list[RunBody] = Field(description="The latest runs, newest first.")

    @classmethod
    def with_runs(cls, schedule: StoredSchedule, runs: Sequence[Run]) -> "ScheduleBody":
        """Build the answer with due times and runs."""
        times = list_following(schedule.cron, schedule.timezone, schedule.due_at, NEXT_SHOWN)
        return cls.of_schedule(
            schedule,
            report=_read_report(schedule.report),
            next_due=times if schedule.state == "active" else [],
            runs=[RunBody(**vars(run)) for run in runs],
        )


def _read_report(stored: object) -> ScheduledReport | None:
    try:
        return ScheduledReport.model_validate(stored)
    except ValidationError:
        return None
