"""A schedule and its runs, as values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.keys import StoreScope
from shared.reports.model import FileFormat, ReportRequest, ReportState, StoreFilter
from shared.storage import StoredObject

ScheduleState = Literal["active", "paused"]
DeliveryState = Literal["none", "waiting", "delivered", "failed"]


@dataclass(frozen=True)
class ScheduleTerms:
    """What its maker says of it. `report` are the parameters of its reports, with `as_of` either `latest` or `due`."""

    name: str
    cron: str
    timezone: str
    report: Mapping[str, Any]
    webhook_url: str | None = None
    s3_prefix: str | None = None

    @property
    def stores(self) -> StoreFilter | None:
        """The stores of its reports; None: every store."""
        given = self.report["stores"]
        return None if given is None else StoreFilter.of(given.get("ids"), given.get("labels"))


@dataclass(frozen=True, kw_only=True)
class Schedule(ScheduleTerms):
    """A row of `report_schedule`. Its reports hold the stores that have the labels of `scope`; None: every store."""

    id: UUID
    scope: Mapping[str, str] | None
    state: ScheduleState
    due_at: datetime
    created_by: str
    created_at: datetime

    @property
    def visible(self) -> StoreScope:
        return StoreScope(self.scope)

    @property
    def stem(self) -> str | None:
        """How the keys of what is delivered begin, below `deliveries/`; None: nothing is."""
        if self.s3_prefix is None:
            return None
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-") or "report"
        return f"{self.s3_prefix}/{name}"

    def request(self, due_at: datetime) -> ReportRequest:
        """What it asks for at one due time: a report of its own, also where another could have answered."""
        request = ReportRequest.from_json(self.report)
        as_of: datetime | Literal["latest"] = due_at if self.report["as_of"] == "due" else "latest"
        return replace(request, as_of=as_of, force=True, webhook_url=self.webhook_url)


@dataclass(frozen=True)
class Run:
    """One due time: the report that was accepted, or why none was, and what became of the delivery of its files."""

    due_at: datetime
    fired_at: datetime
    report_id: UUID | None
    report_state: ReportState | None
    error: str | None
    delivery: DeliveryState
    delivery_error: str | None
    objects: Sequence[str]


@dataclass(frozen=True)
class Shipment:
    """Files that one attempt is to copy. `error`: why it could not; None before it, and after it succeeded.

    `is_lost`: it could not since a file is gone or was changed.
    """

    schedule_id: UUID
    due_at: datetime
    report_id: UUID
    stem: str
    attempt: int
    objects: Sequence[str]
    formats: Sequence[FileFormat]
    sizes_bytes: Sequence[int]
    sha256s: Sequence[str]
    error: str | None = None
    is_lost: bool = False

    @property
    def sources(self) -> Sequence[StoredObject]:
        """The files, as they must be."""
        return [*map(StoredObject, self.objects, self.sizes_bytes, self.sha256s)]
