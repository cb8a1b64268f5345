"""The calls about schedules of reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from uptill_client.pages import every
from uptill_client.reports import report_parameters
from uptill_client.transport import Transport

_PATH = "/v1/report-schedules"


@dataclass(frozen=True)
class ScheduleDelivery:
    """Where reports go beside the list of reports."""

    webhook_url: str | None
    s3_prefix: str | None


@dataclass(frozen=True)
class ScheduleRun:
    """One due time: its report or why there is none, and the delivery of its files into the bucket."""

    due_at: datetime
    fired_at: datetime
    report_id: str | None
    report_state: str | None
    error: str | None
    delivery: str
    delivery_error: str | None
    objects: Sequence[str]


@dataclass(frozen=True)
class ReportSchedule:
    """A schedule. In a list it has neither parameters nor due times after the next, nor runs."""

    id: str
    name: str
    cron: str
    timezone: str
    deliver: ScheduleDelivery
    state: str
    next_due_at: datetime | None
    store_labels: Mapping[str, str] | None
    created_by: str
    created_at: datetime
    report: Mapping[str, Any] | None = None
    next_due: Sequence[datetime] = ()
    runs: Sequence[ScheduleRun] = ()


class ScheduleCalls:
    """Schedules of reports. Every call raises `ApiError`."""

    _api: Transport

    def create_schedule(
        self,
        name: str,
        *,
        cron: str,
        timezone: str,
        webhook_url: str | None = None,
        s3_prefix: str | None = None,
        as_of: Literal["latest", "due"] = "latest",
        **report: Any,
    ) -> ReportSchedule:
        """Make one; `report` are parameters of `create_report`: `policy`, `detail`, `windows`, `formats`, `store_ids`, `labels`."""
        body = {
            "name": name,
            "cron": cron,
            "timezone": timezone,
            "report": report_parameters(as_of=as_of, **report),
            "deliver": {"webhook_url": webhook_url, "s3_prefix": s3_prefix},
        }
        return self._api.call(ReportSchedule, "POST", _PATH, json=body)

    def schedules(self) -> Iterator[ReportSchedule]:
        """Yield schedules, newest first."""
        return every(self._api, ReportSchedule, _PATH, "schedules", {})

    def get_schedule(self, schedule_id: str) -> ReportSchedule:
        """Return one with its next due times and newest runs."""
        return self._api.call(ReportSchedule, "GET", f"{_PATH}/{schedule_id}")

    def change_schedule(self, schedule_id: str, **changes: Any) -> ReportSchedule:
        """Change what is named, as the body of `PATCH /v1/report-schedules/{id}` has it: `state="paused"`."""
        return self._api.call(ReportSchedule, "PATCH", f"{_PATH}/{schedule_id}", json=changes)

    def delete_schedule(self, schedule_id: str) -> None:
        """Forget one; its reports stay."""
        self._api.call(type(None), "DELETE", f"{_PATH}/{schedule_id}")
