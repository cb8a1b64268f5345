"""Endpoints and deliveries of webhooks as values. No `repr` shows a secret."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

DeliveryState = Literal["pending", "leased", "delivered", "failed"]
EventType = Literal["report.succeeded", "report.failed", "report.canceled"]
# After this time a delivery is given up.
KEEP_TRYING = timedelta(hours=24)
EVENTS: tuple[EventType, ...] = ("report.succeeded", "report.failed", "report.canceled")


@dataclass(frozen=True)
class Endpoint:
    """An address that receives the events of all reports."""

    id: UUID
    url: str
    events: Sequence[EventType]
    description: str
    state: Literal["enabled", "disabled"]
    disabled_because: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class StoredDelivery:
    """One event to one address. `endpoint_id` is None for the `webhook_url` of a request."""

    id: UUID
    endpoint_id: UUID | None
    url: str
    report_id: UUID
    event: EventType
    state: DeliveryState
    attempt: int
    due_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class DeliveryLease:
    """The right to make one attempt, and what to send; `sent_at_s` is by the database's clock."""

    id: UUID
    attempt: int
    url: str
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    payload: str = field(repr=False)
    sent_at_s: int
    report_id: UUID | None
    # Of the HTTP request that made the report.
    request_id: str | None

    @property
    def log_context(self) -> dict[str, str | int]:
        """The fields of log lines about this delivery."""
        known = {"request_id": self.request_id} if self.request_id else {}
        return {"delivery": str(self.id), "attempt": self.attempt, "report_id": str(self.report_id), **known}


@dataclass(frozen=True)
class AttemptOutcome:
    """The result of an attempt: the status of the answer, or the reason why there was none.

    `brief` is `error` without what the address or the receiver says, for addresses that are secrets.
    """

    status: int | None
    error: str | None = None
    brief: str | None = field(default=None, compare=False)

    @property
    def is_success(self) -> bool:
        return self.error is None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver asked never to be called again."""
        return self.status == 410  # noqa: PLR2004 - HTTP's own name for it
