"""A report, its batches and the leases on them, as values. What they may do is in the modules beside this one."""

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
OPEN_STATES: tuple[ReportState, ...] = ("queued", "running")  # the work of a worker may still change them

# In the order in which a report shows its files. CSV is always among them: the others are made from it.
CONTENT_TYPES: Mapping[FileFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# What CSV lies under in the bucket; a link and a delivery say what it is. Of text SeaweedFS makes gzip, and text again of that
# for each reader: 2 to 3 times the work of a part, which is read once, and of a report's file.
STORED_CSV_TYPE = "binary/octet-stream"
MAX_XLSX_ROWS = 1_048_575  # of a sheet, below its header


def file_name(file_format: FileFormat) -> str:
    """What a file of a report is called."""
    return f"report.{file_format}"


@dataclass(frozen=True)
class StoreFilter:
    """The stores a report is to hold: those with one of the ids, and with all of the labels. None: any."""

    ids: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, ids: Sequence[str] | None, labels: Mapping[str, str] | None) -> "StoreFilter | None":
        """The same filter for the same stores, whatever the order; None when neither is given."""
        if ids is None and labels is None:
            return None
        return cls(
            None if ids is None else tuple(sorted(set(ids))),
            None if labels is None else tuple(sorted(labels.items())),
        )

    def as_json(self) -> dict[str, Any]:
        """As the row of a report keeps it."""
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
        """A digest that equal requests share."""
        return hashlib.sha256(repr(self).encode()).digest()


@dataclass(frozen=True)
class Caller:
    """Who asks: the prefix of an API key, the Idempotency-Key that came with the request, the stores it may see."""

    key_prefix: str
    idempotency_key: str | None = None
    visible: StoreScope = EVERY_STORE


@dataclass(frozen=True)
class FileOfReport:
    """A file of a succeeded report, where it lies and what it holds; `sha256` in hex."""

    format: FileFormat
    object: str
    size_bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Origin:
    """The HTTP request that a report came from, and the W3C traceparent of its trace; none is known of old reports."""

    request_id: str | None = None
    traceparent: str | None = None

    @property
    def log_context(self) -> dict[str, str]:
        """What log lines about the report carry."""
        return {"request_id": self.request_id} if self.request_id else {}


NOWHERE = Origin()


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches.

    `ids_given` and `labels` are its filter of stores; both None: it holds every store that its caller may see.
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
    data_cut: int
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
        """Whether the state will not change by the work of a worker any more."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True)
class Batch:
    """What one batch is to compute: the stores of a range of ids, as many as `stores`, that the data cut knows.

    Of a report that does not hold every store `store_keys` names those of the batch.
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
    data_cut: int

    def part_key(self, attempt: str) -> str:
        """Where this attempt, and no other, writes."""
        return f"reports/{self.report_id}/parts/{self.batch_no:06d}-{attempt}/{file_name('csv')}"


@dataclass(frozen=True)
class BatchLease:
    """The right to complete one batch, until another worker gets a higher attempt."""

    batch: Batch
    attempt: int
    claim_id: UUID
    origin: Origin = NOWHERE

    @property
    def part_key(self) -> str:
        return self.batch.part_key(str(self.attempt))


@dataclass(frozen=True)
class FinaliseLease:
    """The right to finish one report, until another worker gets a higher attempt."""

    report_id: UUID
    attempt: int
    origin: Origin = NOWHERE

    def object_key(self, file_format: FileFormat) -> str:
        """Where this attempt, and no other, writes."""
        return f"reports/{self.report_id}/final-{self.attempt}/{file_name(file_format)}"


@dataclass(frozen=True)
class ReportFacts:
    """What was asked for, and the ledger number at which all batches agree. `stores` is as `StoreFilter.as_json`."""

    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: Sequence[str]
    formats: Sequence[FileFormat]
    stores: Mapping[str, Any] | None
    scope: Mapping[str, str] | None
    data_cut: int


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch: a row for each of its stores, and the header before those of batch 0."""

    key: str
    size_bytes: int
    sha256: str
    batch_no: int
    stores: int
