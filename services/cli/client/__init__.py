"""A typed client of the HTTP API: what the `uptill` command uses, and a library for others."""

from services.cli.client.answers import (
    Counts,
    ImportStatus,
    Interval,
    LostFile,
    Progress,
    ReportFile,
    ReportStatus,
    Segment,
    Store,
    StoreChanged,
    StoreDetail,
    Timeline,
)
from services.cli.client.client import UptillClient
from services.cli.client.imports import Poll
from services.cli.client.schedules import ReportSchedule, ScheduleDelivery, ScheduleRun
from services.cli.client.transport import ApiError
from services.cli.client.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "ApiError",
    "Counts",
    "ImportStatus",
    "Interval",
    "LostFile",
    "Poll",
    "Progress",
    "ReportFile",
    "ReportSchedule",
    "ReportStatus",
    "ScheduleDelivery",
    "ScheduleRun",
    "Segment",
    "Store",
    "StoreChanged",
    "StoreDetail",
    "Timeline",
    "UptillClient",
    "WebhookDelivery",
    "WebhookEndpoint",
]
