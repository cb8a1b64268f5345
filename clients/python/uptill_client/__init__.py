"""A typed client for the Uptill HTTP API. The `uptill` command uses it too."""

from uptill_client.answers import (
    ImportStatus,
    Interval,
    LostFile,
    ReportFile,
    ReportProgress,
    ReportStatus,
    RowCounts,
    Store,
    StoreChanged,
    StoreDetail,
    StoreTimeline,
    TimelineSegment,
)
from uptill_client.client import UptillClient
from uptill_client.imports import Poll
from uptill_client.parameters import FORMATS, ReportOptions
from uptill_client.schedules import ReportSchedule, ScheduleDelivery, ScheduleRun
from uptill_client.transport import ApiError, NotReachable
from uptill_client.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "FORMATS",
    "ApiError",
    "ImportStatus",
    "Interval",
    "LostFile",
    "NotReachable",
    "Poll",
    "ReportFile",
    "ReportOptions",
    "ReportProgress",
    "ReportSchedule",
    "ReportStatus",
    "RowCounts",
    "ScheduleDelivery",
    "ScheduleRun",
    "Store",
    "StoreChanged",
    "StoreDetail",
    "StoreTimeline",
    "TimelineSegment",
    "UptillClient",
    "WebhookDelivery",
    "WebhookEndpoint",
]
