"""A typed client for the Uptill HTTP API. The `uptill` command uses it too."""

from uptill_client.calendars import Calendar
from uptill_client.client import UptillClient
from uptill_client.closures import Closure, Lifetime, SpecialDate, SpecialHours, TimeRange
from uptill_client.explanation import (
    ExplainedHours,
    ExplainedPoll,
    ExplainedSegment,
    ExplainedWindow,
    Explanation,
)
from uptill_client.facts import FactsStatus
from uptill_client.import_status import Counts, ImportStatus
from uptill_client.imports import Poll
from uptill_client.live import NowSummary, StateChange, StateCount, StoreNow
from uptill_client.outages import OutageListing, StoreOutage
from uptill_client.parameters import FILES, FORMATS, ReportOptions
from uptill_client.rejects import RejectedRow
from uptill_client.report_files import FailedStore, LostFile, ReportFile
from uptill_client.report_status import Progress, ReportStatus
from uptill_client.revisions import Cause, ChangedValue, StoreDiff
from uptill_client.schedules import ReportSchedule, ScheduleDelivery, ScheduleRun
from uptill_client.store_answers import Interval, Store, StoreChanged, StoreDetail
from uptill_client.timelines import AppliedClosure, Segment, Timeline, TimelineDay
from uptill_client.transport import ApiError, NotReachable
from uptill_client.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "FILES",
    "FORMATS",
    "ApiError",
    "AppliedClosure",
    "Calendar",
    "Cause",
    "ChangedValue",
    "Closure",
    "Counts",
    "ExplainedHours",
    "ExplainedPoll",
    "ExplainedSegment",
    "ExplainedWindow",
    "Explanation",
    "FactsStatus",
    "FailedStore",
    "ImportStatus",
    "Interval",
    "Lifetime",
    "LostFile",
    "NotReachable",
    "NowSummary",
    "OutageListing",
    "Poll",
    "Progress",
    "RejectedRow",
    "ReportFile",
    "ReportOptions",
    "ReportSchedule",
    "ReportStatus",
    "ScheduleDelivery",
    "ScheduleRun",
    "Segment",
    "SpecialDate",
    "SpecialHours",
    "StateChange",
    "StateCount",
    "Store",
    "StoreChanged",
    "StoreDetail",
    "StoreDiff",
    "StoreNow",
    "StoreOutage",
    "TimeRange",
    "Timeline",
    "TimelineDay",
    "UptillClient",
    "WebhookDelivery",
    "WebhookEndpoint",
]
