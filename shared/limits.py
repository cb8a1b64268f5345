"""How much one line of keys may have open at the same time, so that no caller uses up what all share."""

import sys
from dataclasses import dataclass

from shared.settings import Settings


@dataclass(frozen=True)
class KeyLimits:
    """Limits for each line of keys. A key and the keys that it replaced are one line.

    Concurrent calls do not see each other, so they may exceed a limit by their number.
    """

    open_reports: int = sys.maxsize
    pending_webhooks: int = sys.maxsize
    schedules: int = sys.maxsize
    webhook_endpoints: int = sys.maxsize

    @classmethod
    def of(cls, settings: Settings) -> "KeyLimits":
        """Return the limits of the settings."""
        return cls(
            open_reports=settings.max_open_reports,
            pending_webhooks=settings.max_pending_webhooks,
            schedules=settings.max_schedules,
            webhook_endpoints=settings.max_webhook_endpoints,
        )


NO_LIMITS = KeyLimits()
