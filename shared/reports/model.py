"""A report, its batches and their leases as values. The other modules of this package change them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from shared.keys import EVERY_STORE, StoreScope
from shared.uptime.policy import DEFAULT_POLICY
from shared.uptime.window import DEFAULT_WINDOWS, Window, parse_windows

ReportState = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
FileFormat = Literal["csv", "json", "parquet", "xlsx"]
# A worker may still change reports in these states.
OPEN_STATES: tuple[ReportState, ...] = ("queued", "running")

# In the order in which a report shows its files. CSV is always there, because the others are made from it.
CONTENT_TYPES: Mapping[FileFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# The type of CSV objects in the bucket; links and deliveries name the real one. SeaweedFS compresses text and unpacks it
# for each reader, which takes 2 to 3 times the work.
STORED_CSV_TYPE = "binary/octet-stream"
# Rows of a sheet below its header.
MAX_XLSX_ROWS = 1_048_575


def file_name(file_format: FileFormat) -> str:
    """Return the name of a report's file."""
    return f"report.{file_format}"


@dataclass(frozen=True)
class StoreFilter:
    """Which stores a report holds: those with one of the ids and all of the labels. None: no limit."""

    ids: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, ids: Sequence[str] | None, labels: Mapping[str, str] | None) -> "StoreFilter | None":
        """Return the filter for these stores, equal for any order. None if neither is given."""
        if ids is None and labels is None:
            return None
        return cls(
            None if ids is None else tuple(sorted(set(ids))),
            None if labels is None else tuple(sorted(labels.items())),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the filter as the row of a report stores it."""
        given = {"ids": self.ids, "labels": None if self.labels is None else dict(self.labels)}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class ReportParameters:
    """What a report measures and produces. Windows are parsed and in column order; None for stores means every store."""

    policy: str = DEFAULT_POLICY
    detail: bool = False
    windows: tuple[Window, ...] = DEFAULT_WINDOWS
    formats: tuple[FileFormat, ...] = ("csv",)
    stores: StoreFilter | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_json` returned; ignore other members, use defaults for missing ones."""
        known = {each.name: stored[each.name] for each in fields(ReportParameters) if each.name in stored}
        given = known.get("stores") or {}
        return cls(
            **{
                **known,
                "windows": parse_windows(known["windows"]) if "windows" in known else DEFAULT_WINDOWS,
                "formats": tuple(known.get("formats", ("csv",))),
                "stores": StoreFilter.of(given.get("ids"), given.get("labels")),
            }
        )

    def as_json(self) -> dict[str, Any]:
        """Return the parameters by name, as a schedule and a report's row store them."""
        values = {each.name: getattr(self, each.name) for each in fields(ReportParameters)}
        return {
            **values,
            "windows": [window.text for window in self.windows],
            "formats": list(self.formats),
            "stores": None if self.stores is None else self.stores.as_json(),
        }


@dataclass(frozen=True)
class ReportRequest(ReportParameters):
    """A request for one report. `as_of` is an instant, the newest accepted poll or the database's clock.

    Requests with the same parameters about the same data share one report, unless `force` is set. `webhook_url` is called
    when the report has ended.
    """

    as_of: datetime | Literal["latest", "now"] = "latest"
    force: bool = False
    webhook_url: str | None = None

    @property
    def sha256(self) -> bytes:
        """A hash that equal requests share."""
        return hashlib.sha256(repr(self).encode()).digest()


@dataclass(frozen=True)
class ReportCaller:
    """Who asks: the prefix of the API key, the Idempotency-Key of the request, and the stores that the key may see."""

    key_prefix: str
    idempotency_key: str | None = None
    visible: StoreScope = EVERY_STORE


@dataclass(frozen=True)
class FileOfReport:
    """A file of a succeeded report: its object and its content; `sha256` in hex."""

    format: FileFormat
    object: str
    size_bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Origin:
    """The HTTP request that made a report, and the W3C traceparent of its trace. Old reports have neither."""

    request_id: str | None = None
    traceparent: str | None = None

    @property
    def log_context(self) -> dict[str, str]:
        """The fields of log lines about the report."""
        return {"request_id": self.request_id} if self.request_id else {}


NOWHERE = Origin()


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches.

    `ids_given` and `labels` are its filter of stores. If both are None, it holds every store that its caller may see.
    `accepted_seq` is the ledger number at which it was accepted: it decides which stores are in the report.
    """

    id: UUID
    state: ReportState
    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: Sequence[str]
    formats: Sequence[FileFormat]
    ids_given: int | None
    labels: Mapping[str, str] | None
    accepted_seq: int
    tzdata_version: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: dict[str, Any] | None
    stores_total: int
    stores_done: int
    files: Sequence[FileOfReport]

    @property
    def is_final(self) -> bool:
        """Whether no worker can change the state any more."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True)
class Batch:
    """What one batch computes: a range of store ids, with the `stores` stores that existed at `accepted_seq`.

    If the report does not hold every store, `store_keys` lists the stores of the batch.
    """

    report_id: UUID
    batch_no: int
    first_id: str | None
    last_id: str | None
    stores: int
    store_keys: Sequence[int] | None
    as_of: datetime
    policy: str
    detail: bool
    windows: Sequence[str]
    accepted_seq: int

    def part_key(self, attempt: str) -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/parts/{self.batch_no:06d}-{attempt}/{file_name('csv')}"


@dataclass(frozen=True)
class BatchLease:
    """The right to complete one batch until another worker gets a higher attempt."""

    batch: Batch
    attempt: int
    claim_id: UUID
    origin: Origin = NOWHERE

    @property
    def part_key(self) -> str:
        return self.batch.part_key(str(self.attempt))


@dataclass(frozen=True)
class FinaliseLease:
    """The right to finish one report until another worker gets a higher attempt."""

    report_id: UUID
    attempt: int
    origin: Origin = NOWHERE

    def object_key(self, file_format: FileFormat) -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/final-{self.attempt}/{file_name(file_format)}"


@dataclass(frozen=True)
class ReportFacts:
    """What was asked for, and `read_seq`, the ledger number up to which all batches agree.

    `stores` is as `StoreFilter.as_json`.
    """

    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: Sequence[str]
    formats: Sequence[FileFormat]
    stores: Mapping[str, Any] | None
    scope: Mapping[str, str] | None
    read_seq: int


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch: a row for each of its stores. Batch 0 also has the header."""

    key: str
    size_bytes: int
    sha256: str
    batch_no: int
    stores: int
