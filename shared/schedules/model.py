"""A schedule and its runs, as values."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.keys import StoreScope
from shared.reports.formats import CONTENT_TYPES, FILE_KINDS, FileFormat, FileKind
from shared.reports.model import ReportState
from shared.reports.parameters import ReportRequest, StoreFilter
from shared.storage import StoredObject
from shared.uptime.policy import POLICIES

ScheduleState = Literal["active", "paused", "failed"]
DeliveryState = Literal["none", "waiting", "delivered", "failed"]


@dataclass(frozen=True)
class ScheduleTerms:
    """What the maker of a schedule sets. `report` holds the parameters of its reports; `as_of` is `latest` or `due`."""

    name: str
    cron: str
    timezone: str
    report: Mapping[str, Any]
    webhook_url: str | None = None
    s3_prefix: str | None = None
    channels: Sequence[str] = ()

    @property
    def stores(self) -> StoreFilter | None:
        """The stores of its reports. None: every store."""
        given = self.report["stores"]
        return None if given is None else StoreFilter.of(given.get("ids"), given.get("labels"))


@dataclass(frozen=True, kw_only=True)
class StoredSchedule(ScheduleTerms):
    """A row of `report_schedule`. Its reports hold the stores that have the labels of `scope`; None: every store.

    `error` says why a failed schedule cannot run; None in the other states.
    """

    id: UUID
    scope: Mapping[str, str] | None
    state: ScheduleState
    error: str | None
    due_at: datetime
    created_by: str
    created_at: datetime

    @property
    def visible(self) -> StoreScope:
        if self.scope is not None and not isinstance(self.scope, Mapping):
            raise ValueError("the labels of its stores cannot be read")
        return StoreScope(self.scope)

    @property
    def stem(self) -> str | None:
        """The beginning of the keys of delivered files, below `deliveries/`. None: no file is delivered."""
        if self.s3_prefix is None:
            return None
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-") or "report"
        return f"{self.s3_prefix}/{name}"

    def make_request(self, due_at: datetime) -> ReportRequest:
        """Return the request for one due time. It always makes a new report, even if an existing one would do.

        Raises ValueError if this release cannot read the parameters, as another release or a person may have left them.
        """
        request = _read_request(self.report)
        as_of: datetime | Literal["latest"] = due_at if self.report["as_of"] == "due" else "latest"
        return replace(request, as_of=as_of, force=True, webhook_url=self.webhook_url)


def _read_request(stored: Mapping[str, Any]) -> ReportRequest:
    try:
        request = ReportRequest.from_json(stored)
        _require_known("policy", [request.policy], POLICIES)
        _require_known("formats", request.formats, CONTENT_TYPES)
        _require_known("files", request.files, FILE_KINDS)
        _require_known("as_of", [stored["as_of"]], ("latest", "due"))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"the parameters of its reports cannot be read: {cause}") from error
    return request


def _require_known(name: str, values: Sequence[str], known: Container[str]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"unknown {name} {value!r}")


@dataclass(frozen=True)
class Run:
    """One run of a schedule: the accepted report, or the reason why there is none, and the delivery of its files."""

    due_at: datetime
    fired_at: datetime
    report_id: UUID | None
    report_state: ReportState | None
    error: str | None
    delivery: DeliveryState
    delivery_error: str | None
    objects: Sequence[str]


@dataclass(frozen=True)
class FileDelivery:
    """Files to copy in one attempt. `error` says why the attempt failed; None before it and after a success.

    `is_lost`: the attempt failed because a file is missing or was changed.
    """

    schedule_id: UUID
    due_at: datetime
    report_id: UUID
    stem: str
    attempt: int
    objects: Sequence[str]
    kinds: Sequence[FileKind]
    formats: Sequence[FileFormat]
    sizes_bytes: Sequence[int]
    sha256s: Sequence[str]
    error: str | None = None
    is_lost: bool = False

    @property
    def sources(self) -> Sequence[StoredObject]:
        """The files as they must be in the bucket."""
        return [*map(StoredObject, self.objects, self.sizes_bytes, self.sha256s)]
