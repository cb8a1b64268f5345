"""A typed client for the Uptill HTTP API. The `uptill` command uses it too."""

from uptill_client.calendars import Calendar
from uptill_client.channels import Channel, ChannelMessage
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
from uptill_client.facts_exports import FactsExportStatus, FactsFile
from uptill_client.hooks import Hook, HookPreset, HookTrial, HookVersion, TriedPoll, TriedReject
from uptill_client.import_status import Counts, ImportStatus
from uptill_client.imports import Poll
from uptill_client.incidents import (
    AlertRule,
    Incident,
    IncidentEvent,
    IncidentFilter,
    IncidentMember,
    RuleOptions,
    WholeIncident,
)
from uptill_client.insights import (
    CalibrationTenth,
    InsightFinding,
    InsightMethod,
    InsightRunStatus,
    MethodSkill,
    RiskOfHour,
    RiskOfStore,
)
from uptill_client.live import NowSummary, StateChange, StateCount, StoreNow
from uptill_client.outages import OutageListing, StoreOutage
from uptill_client.parameters import FILES, FORMATS, ReportOptions
from uptill_client.reasons import PollReason
from uptill_client.reconciliations import PlatformFigure, ReconciledFigure
from uptill_client.rejects import RejectedRow
from uptill_client.report_files import FailedStore, LostFile, ReportFile
from uptill_client.report_status import FactsOnlyDays, Progress, ReportStatus
from uptill_client.revisions import Cause, ChangedValue, StoreDiff
from uptill_client.schedules import ReportSchedule, ScheduleDelivery, ScheduleRun
from uptill_client.series import (
    PolicyRules,
    PolicySeries,
    PolicySeriesRow,
    PreviousFigures,
    SeriesAnswer,
    SeriesChange,
    SeriesFigures,
    SeriesRow,
)
from uptill_client.service_levels import (
    LevelOptions,
    LevelOutcome,
    LevelTotal,
    ServiceLevel,
    ServiceLevelStore,
)
from uptill_client.store_answers import ChangeMaker, DatedWeek, Interval, Store, StoreChanged, StoreDetail
from uptill_client.store_policies import (
    PolicyDifference,
    PolicyState,
    PolicyTotals,
    StorePolicies,
    TotalsChange,
)
from uptill_client.timelines import AppliedClosure, Segment, Timeline, TimelineDay
from uptill_client.transport import ApiError, NotReachable
from uptill_client.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "FILES",
    "FORMATS",
    "AlertRule",
    "ApiError",
    "AppliedClosure",
    "Calendar",
    "CalibrationTenth",
    "Cause",
    "ChangeMaker",
    "ChangedValue",
    "Channel",
    "ChannelMessage",
    "Closure",
    "Counts",
    "DatedWeek",
    "ExplainedHours",
    "ExplainedPoll",
    "ExplainedSegment",
    "ExplainedWindow",
    "Explanation",
    "FactsExportStatus",
    "FactsFile",
    "FactsOnlyDays",
    "FactsStatus",
    "FailedStore",
    "Hook",
    "HookPreset",
    "HookTrial",
    "HookVersion",
    "ImportStatus",
    "Incident",
    "IncidentEvent",
    "IncidentFilter",
    "IncidentMember",
    "InsightFinding",
    "InsightMethod",
    "InsightRunStatus",
    "Interval",
    "LevelOptions",
    "LevelOutcome",
    "LevelTotal",
    "Lifetime",
    "LostFile",
    "MethodSkill",
    "NotReachable",
    "NowSummary",
    "OutageListing",
    "PlatformFigure",
    "PolicyDifference",
    "PolicyRules",
    "PolicySeries",
    "PolicySeriesRow",
    "PolicyState",
    "PolicyTotals",
    "Poll",
    "PollReason",
    "PreviousFigures",
    "Progress",
    "ReconciledFigure",
    "RejectedRow",
    "ReportFile",
    "ReportOptions",
    "ReportSchedule",
    "ReportStatus",
    "RiskOfHour",
    "RiskOfStore",
    "RuleOptions",
    "ScheduleDelivery",
    "ScheduleRun",
    "Segment",
    "SeriesAnswer",
    "SeriesChange",
    "SeriesFigures",
    "SeriesRow",
    "ServiceLevel",
    "ServiceLevelStore",
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
    "StorePolicies",
    "TimeRange",
    "Timeline",
    "TimelineDay",
    "TotalsChange",
    "TriedPoll",
    "TriedReject",
    "UptillClient",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WholeIncident",
]
