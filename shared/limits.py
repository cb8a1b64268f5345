"""What one line of keys may have open at a time, so that no caller fills what all of them share."""

import sys
from dataclasses import dataclass

from shared.settings import Settings


@dataclass(frozen=True)
class KeyLimits:
    """Counts for each line of keys. A key and those that it was rotated from are one line.

    Calls that are answered at the same moment do not see each other, so a limit may be exceeded by as many.
    """

    open_reports: int = sys.maxsize
    pending_webhooks: int = sys.maxsize
    schedules: int = sys.maxsize
    webhook_endpoints: int = sys.maxsize

    @classmethod
    def of(cls, settings: Settings) -> "KeyLimits":
        """Return the limits that the settings name."""
        return cls(
            open_reports=settings.max_open_reports,
            pending_webhooks=settings.max_pending_webhooks,
            schedules=settings.max_schedules,
            webhook_endpoints=settings.max_webhook_endpoints,
        )


NO_LIMITS = KeyLimits()
