"""Calls for report schedules, and their answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Unpack

from uptill_client.pages import iterate_pages
from uptill_client.parameters import ReportOptions, to_json
from uptill_client.paths import encode_segment
from uptill_client.transport import Transport

_PATH = "/v1/report-schedules"


@dataclass(frozen=True)
class ScheduleDelivery:
    """Where reports are delivered, in addition to the list of reports."""

    webhook_url: str | None
    s3_prefix: str | None
    channels: Sequence[str] = ()


@dataclass(frozen=True)
class ScheduleRun:
    """One due time: its report, or the `error` why there is none, and the delivery of its files."""

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
    """A schedule. In a list, `report`, `next_due` and `runs` are missing. `error` says why it is `failed`."""

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
    error: str | None = None


class ScheduleOptions(ReportOptions, total=False):
    """The parameters of each report, and the channels that get it."""

    # Names of channels that get a summary when a report ends.
    channels: Sequence[str]


class ScheduleCalls:
    """Calls for report schedules. Each call raises `ApiError` on failure."""

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
        **options: Unpack[ScheduleOptions],
    ) -> ReportSchedule:
        """Create a schedule from a `cron` expression of five fields, in the IANA `timezone`.

        `as_of` ends every window: "latest" (the newest accepted poll) or "due" (the due time). `webhook_url` is called
        when a report has ended; files are copied to `s3_prefix` in the bucket; `channels` get a summary.
        """
        channels = list(options.pop("channels", ()))
        report: ReportOptions = options
        body = {
            "name": name,
            "cron": cron,
            "timezone": timezone,
            "report": to_json(as_of, **report),
            "deliver": {"webhook_url": webhook_url, "s3_prefix": s3_prefix, "channels": channels},
        }
        return self._api.call(ReportSchedule, "POST", _PATH, json=body)

    def schedules(self) -> Iterator[ReportSchedule]:
        """Yield schedules, newest first, without parameters and runs."""
        return iterate_pages(self._api, ReportSchedule, _PATH, "schedules", {})

    def get_schedule(self, schedule_id: str) -> ReportSchedule:
        """Return a schedule with its parameters, next due times and latest runs."""
        return self._api.call(ReportSchedule, "GET", f"{_PATH}/{encode_segment(schedule_id)}")

    def change_schedule(self, schedule_id: str, **changes: Any) -> ReportSchedule:
        """Change the given fields of `PATCH /v1/report-schedules/{id}`, such as `state="paused"`."""
        return self._api.call(ReportSchedule, "PATCH", f"{_PATH}/{encode_segment(schedule_id)}", json=changes)

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule. Its reports and delivered files stay."""
        self._api.call(type(None), "DELETE", f"{_PATH}/{encode_segment(schedule_id)}")
