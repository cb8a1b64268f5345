"""Request bodies that create and change schedules. Unknown fields are refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from services.api.schemas.schedule_fields import Cron, Name, Zone
from services.api.schemas.schedule_terms import Deliver, ScheduledReport
from shared.http.bodies import RequestBody
from shared.schedules.model import ScheduleTerms
from shared.texts import seen

_EXAMPLE: dict[str, Any] = {
    "name": "weekdays, north",
    "cron": "0 6 * * 1-5",
    "timezone": "America/Chicago",
    "report": {"as_of": "due", "stores": {"labels": {"region": "north"}}},
    "deliver": {"s3_prefix": "finance/daily"},
}


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
            channels=self.deliver.channels,
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
            found.update(
                webhook_url=self.deliver.webhook_url,
                s3_prefix=self.deliver.s3_prefix,
                channels=self.deliver.channels,
            )
        return found
