"""The bodies of requests and answers about schedules. Unknown fields of a request are refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas import ReportParameters
from services.api.use_cases.schedules import MAX_PREFIX
from shared.http.bodies import RequestBody
from shared.reports.model import ReportState
from shared.schedules.cron import list_following
from shared.schedules.model import DeliveryState, ReportSchedule, Run, ScheduleState, ScheduleTerms
from shared.texts import seen
from shared.webhooks.address import MAX_URL

NEXT_SHOWN = 5
Name = Field(
    min_length=1, max_length=100, pattern=r"^[^\x00]*$", description="For people, and in the names of files."
)
Cron = Field(
    max_length=100,
    description="Five fields: minute, hour, day of the month, month, weekday (0 or 7 is Sunday); local time of `timezone`.",
    examples=["0 6 * * 1-5"],
)
Zone = Field(max_length=64, description="An IANA time zone.", examples=["America/Chicago"])

_EXAMPLE: dict[str, Any] = {
    "name": "weekdays, north",
    "cron": "0 6 * * 1-5",
    "timezone": "America/Chicago",
    "report": {"as_of": "due", "stores": {"labels": {"region": "north"}}},
    "deliver": {"s3_prefix": "finance/daily"},
}


class ScheduledReport(ReportParameters):
    """What each of its reports holds; every field has a default."""

    as_of: Literal["latest", "due"] = Field(
        default="latest",
        description="End of every window: `latest` (the newest accepted poll when it is made) or `due` (its due time).",
    )

    def parameters(self) -> dict[str, Any]:
        """The same, as a schedule keeps it."""
        stores = self.store_filter
        return {
            "policy": self.policy,
            "detail": self.detail,
            "windows": self.windows,
            "formats": list(self.files_made),
            "stores": None if stores is None else stores.as_json(),
            "as_of": self.as_of,
        }


class Deliver(BaseModel):
    """Where reports go beside `GET /v1/reports`; both, one or none. Registered webhook endpoints are told in any case."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https address to call when a report has ended; signed like the one of a single report.",
    )
    s3_prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PREFIX,
        description="Files are copied below `deliveries/` and this, within the bucket, and stay there.",
        examples=["finance/daily"],
    )


class ScheduleCreate(RequestBody):
    """Body of `POST /v1/report-schedules`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Annotated[str, AfterValidator(seen)] = Name
    cron: str = Cron
    timezone: str = Zone
    report: ScheduledReport = ScheduledReport()
    deliver: Deliver = Deliver()

    def terms(self) -> ScheduleTerms:
        """The same, as the engine takes it."""
        return ScheduleTerms(
            name=self.name,
            cron=self.cron,
            timezone=self.timezone,
            report=self.report.parameters(),
            webhook_url=self.deliver.webhook_url,
            s3_prefix=self.deliver.s3_prefix,
        )


class ScheduleChange(RequestBody):
    """Body of `PATCH /v1/report-schedules/{id}`: what is left out, or null, stays; `report` and `deliver` are replaced whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "paused"}]})

    state: ScheduleState | None = Field(
        default=None,
        description="A `paused` schedule makes no reports, and none for that time once it is active again.",
    )
    name: Annotated[str, AfterValidator(seen)] | None = Field(
        default=None, min_length=1, max_length=100, pattern=r"^[^\x00]*$"
    )
    cron: str | None = Field(default=None, max_length=100)
    timezone: str | None = Field(default=None, max_length=64)
    report: ScheduledReport | None = None
    deliver: Deliver | None = None

    def changes(self) -> dict[str, Any]:
        """The terms that it names, as the engine takes them."""
        named: dict[str, Any] = {"name": self.name, "cron": self.cron, "timezone": self.timezone}
        found = {name: value for name, value in named.items() if value is not None}
        if self.report is not None:
            found["report"] = self.report.parameters()
        if self.deliver is not None:
            found.update(webhook_url=self.deliver.webhook_url, s3_prefix=self.deliver.s3_prefix)
        return found


class ScheduleQuery(BaseModel):
    """From where on to list."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200)


class RunBody(BaseModel):
    """One due time: its report or why there is none, and what became of the delivery of its files into the bucket."""

    due_at: datetime
    fired_at: datetime
    report_id: UUID | None
    report_state: ReportState | None = Field(examples=["succeeded"])
    error: str | None
    delivery: DeliveryState = Field(examples=["delivered"])
    delivery_error: str | None
    objects: list[str] = Field(
        description="Keys of what was delivered.", examples=[["deliveries/finance/daily/…"]]
    )


class ScheduleSummary(BaseModel):
    """A schedule in a list."""

    id: UUID
    name: str = Field(examples=["weekdays, north"])
    cron: str = Cron
    timezone: str = Zone
    deliver: Deliver
    state: ScheduleState
    next_due_at: datetime | None = Field(
        examples=["2024-10-15T11:00:00Z"],
        description="Null while it is paused. It lies in the past while the scheduler is away, or is about to fire.",
    )
    store_labels: Mapping[str, str] | None = Field(
        description="Its reports hold stores with all of these labels, as its maker's key; null: every store."
    )
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, schedule: ReportSchedule, **more: Any) -> Self:
        """Show a schedule."""
        return cls(
            id=schedule.id,
            name=schedule.name,
            cron=schedule.cron,
            timezone=schedule.timezone,
            deliver=Deliver(webhook_url=schedule.webhook_url, s3_prefix=schedule.s3_prefix),
            state=schedule.state,
            next_due_at=schedule.due_at if schedule.state == "active" else None,
            store_labels=schedule.scope,
            created_by=schedule.created_by,
            created_at=schedule.created_at,
            **more,
        )


class ScheduleBody(ScheduleSummary):
    """A schedule as a resource, with its next due times and its newest runs, newest first."""

    report: ScheduledReport
    next_due: list[datetime] = Field(examples=[["2024-10-15T11:00:00Z", "2024-10-16T11:00:00Z"]])
    runs: list[RunBody]

    @classmethod
    def with_runs(cls, schedule: ReportSchedule, runs: Sequence[Run]) -> "ScheduleBody":
        """Show all of a schedule."""
        times = list_following(schedule.cron, schedule.timezone, schedule.due_at, NEXT_SHOWN)
        return cls.of(
            schedule,
            report=ScheduledReport.model_validate(schedule.report),
            next_due=times if schedule.state == "active" else [],
            runs=[RunBody(**vars(run)) for run in runs],
        )


class SchedulePage(BaseModel):
    """A page of schedules, newest first. `next` is the cursor of the page after it; null at the end."""

    schedules: list[ScheduleSummary]
    next: str | None
