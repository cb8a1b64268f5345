"""Request and answer bodies for schedules. Requests with unknown fields are refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.api.schemas.parameters import ReportParametersBody
from services.api.use_cases.schedules import MAX_PREFIX
from shared.http.bodies import RequestBody
from shared.labels import shown_labels
from shared.reports.model import ReportState
from shared.schedules.cron import list_following
from shared.schedules.model import DeliveryState, Run, ScheduleState, ScheduleTerms, StoredSchedule
from shared.texts import seen
from shared.webhooks.address import MAX_URL

NEXT_SHOWN = 5
Name = Field(
    min_length=1,
    max_length=100,
    pattern=r"^[^\x00]*$",
    description="A name for people; it also appears in the names of delivered files.",
)
Cron = Field(
    max_length=100,
    description="Minute, hour, day of month, month and weekday (0 or 7 is Sunday), in the local time of `timezone`.",
    examples=["0 6 * * 1-5"],
)
Zone = Field(max_length=64, description="An IANA time zone name.", examples=["America/Chicago"])

_EXAMPLE: dict[str, Any] = {
    "name": "weekdays, north",
    "cron": "0 6 * * 1-5",
    "timezone": "America/Chicago",
    "report": {"as_of": "due", "stores": {"labels": {"region": "north"}}},
    "deliver": {"s3_prefix": "finance/daily"},
}


class ScheduledReport(ReportParametersBody):
    """The parameters of each scheduled report. Every field has a default."""

    as_of: Literal["latest", "due"] = Field(
        default="latest",
        description="The end of every window: `latest` (the newest poll accepted by then) or `due` (the due time).",
    )

    def as_json(self) -> dict[str, Any]:
        """Return the parameters as a schedule stores them."""
        return {**self.parameters().as_json(), "as_of": self.as_of}


class Deliver(BaseModel):
    """Where to deliver reports, in addition to `GET /v1/reports` and the registered webhook endpoints."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: str | None = Field(
        default=None,
        max_length=MAX_URL,
        description="An https URL to call when a report has ended. Calls are signed with the secret from `POST /v1/webhook-secret`.",
    )
    s3_prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PREFIX,
        description="Copy the files to `deliveries/` and this prefix in the bucket. Retention does not remove them.",
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

    def to_terms(self) -> ScheduleTerms:
        """Return the terms as a value."""
        return ScheduleTerms(
            name=self.name,
            cron=self.cron,
            timezone=self.timezone,
            report=self.report.as_json(),
            webhook_url=self.deliver.webhook_url,
            s3_prefix=self.deliver.s3_prefix,
        )


class ScheduleChange(RequestBody):
    """Body of `PATCH /v1/report-schedules/{id}`. Missing and null fields stay; `report` and `deliver` are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "paused"}]})

    state: Literal["active", "paused"] | None = Field(
        default=None,
        description=(
            "A `paused` schedule creates no reports. Due times during a pause are skipped for good. Set `active` to"
            " resume it, or to run a `failed` one again once it is corrected."
        ),
    )
    name: Annotated[str, AfterValidator(seen)] | None = Field(
        default=None, min_length=1, max_length=100, pattern=r"^[^\x00]*$"
    )
    cron: str | None = Field(default=None, max_length=100)
    timezone: str | None = Field(default=None, max_length=64)
    report: ScheduledReport | None = None
    deliver: Deliver | None = None

    def list_changes(self) -> dict[str, Any]:
        """Return only the terms that the request changes."""
        named: dict[str, Any] = {"name": self.name, "cron": self.cron, "timezone": self.timezone}
        found = {name: value for name, value in named.items() if value is not None}
        if self.report is not None:
            found["report"] = self.report.as_json()
        if self.deliver is not None:
            found.update(webhook_url=self.deliver.webhook_url, s3_prefix=self.deliver.s3_prefix)
        return found


class ScheduleQuery(BaseModel):
    """Position in the list of schedules."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most schedules to return.")


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
            deliver=Deliver.model_construct(webhook_url=schedule.webhook_url, s3_prefix=schedule.s3_prefix),
            state=schedule.state,
            error=schedule.error,
            next_due_at=schedule.due_at if schedule.state == "active" else None,
            store_labels=None if schedule.scope is None else shown_labels(schedule.scope),
            created_by=schedule.created_by,
            created_at=schedule.created_at,
            **more,
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


class SchedulePage(BaseModel):
    """A page of schedules, newest first."""

    schedules: list[ScheduleSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
