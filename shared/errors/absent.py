"""Things that a call asks for and that do not exist, or that the caller may not see."""

from shared.errors.base import UptillError


class ReportNotFound(UptillError):
    """No report has this id, or the caller may not see it."""


class FactsNotFound(UptillError):
    """No job of daily facts has this id."""


class InsightRunNotFound(UptillError):
    """No run of insights has this id."""


class StoreNotFound(UptillError):
    """No store has this id, or the caller may not see it."""


class FileNotFound(UptillError):
    """The report has no file of this format, and will not get one."""


class ImportNotFound(UptillError):
    """No import has this id."""


class EndpointNotFound(UptillError):
    """No webhook endpoint has this id."""


class DeliveryNotFound(UptillError):
    """No webhook delivery has this id."""


class ScheduleNotFound(UptillError):
    """No report schedule has this id, or the caller may not see it."""


class ServiceLevelNotFound(UptillError):
    """No service level has this name, or the caller may not see it."""


class AlertRuleNotFound(UptillError):
    """No alert rule has this name, or the caller may not see it."""


class IncidentNotFound(UptillError):
    """No incident has this id, or the caller may not see it."""


class ChannelNotFound(UptillError):
    """No channel has this name."""


class ClosureNotFound(UptillError):
    """No closure has this id, or the caller may not see it, or it was withdrawn."""


class CalendarNotFound(UptillError):
    """No calendar has this name."""


class HookNotFound(UptillError):
    """No such hook."""


class ReasonNotFound(UptillError):
    """Polls may not give this word as their reason."""


class KeyNotFound(UptillError):
    """No live API key has this prefix."""
