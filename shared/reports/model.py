"""A report, its batches and their leases as values. The other modules of this package change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from shared.reports.formats import FileFormat, FileKind, file_name
from shared.storage import StoredObject

# What a row of `report` is: a report, a job that computes daily facts or writes months of them into the bucket, or the
# standing job of live state.
JobKind = Literal["report", "facts", "facts_export", "now", "seal", "unseal", "insights"]
ReportState = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]


# A worker may still change reports in these states.
OPEN_STATES: tuple[ReportState, ...] = ("queued", "running")


@dataclass(frozen=True)
class FileOfReport:
    """A file of a succeeded report: its object and its content; `sha256` in hex."""

    format: FileFormat
    object: str
    size_bytes: int
    sha256: str
    rows: int
    kind: FileKind = "report"

    @classmethod
    def of(cls, file_format: FileFormat, stored: StoredObject, rows: int, kind: FileKind) -> "FileOfReport":
        """Return the file that an object is."""
        return cls(file_format, stored.key, stored.size_bytes, stored.sha256, rows, kind)

    @property
    def name(self) -> str:
        return file_name(self.format, self.kind)

    @property
    def stored(self) -> StoredObject:
        """The object as it must be in the bucket."""
        return StoredObject(self.object, self.size_bytes, self.sha256)


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
class StoreFailure:
    """A store that a report was made without, because it could not be computed. It has no row in the files."""

    store_id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches.

    `ids_given` and `labels` are its filter of stores. If both are None, it holds every store that its caller may see.
    `accepted_seq` is the ledger number at which it was accepted: it decides which stores are in the report.
    `tzdata_version` is that of the process that accepted it; once it has succeeded, that of the workers.
    `files` are the finished ones, and `file_kinds` what was asked for.
    `failed_stores` holds the first of the `stores_failed` stores that could not be computed; it is empty in a list.
    `revision_of` is the first report of the chain of revisions; None if this is the first. `pinned_cut` is as in `Batch`.
    `facts_only_first` and `facts_only_last` bound the local dates that came from daily facts whose polls are gone.
    `exclude_reasons` are the words of the reasons whose time is left out.
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
    stores_failed: int
    failed_stores: Sequence[StoreFailure]
    files: Sequence[FileOfReport]
    file_kinds: Sequence[FileKind]
    revision: int = 1
    revision_of: UUID | None = None
    pinned_cut: int | None = None
    facts_only_first: date | None = None
    facts_only_last: date | None = None
    exclude_reasons: Sequence[str] = ()

    @property
    def is_final(self) -> bool:
        """Whether no worker can change the state any more."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True)
class FinaliseLease:
    """The right to finish one report until another worker gets a higher attempt. `is_last` as in `BatchLease`."""

    report_id: UUID
    attempt: int
    is_last: bool
    origin: Origin = NOWHERE
    kind: JobKind = "report"

    def object_key(self, file_format: FileFormat, kind: FileKind = "report") -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/final-{self.attempt}/{file_name(file_format, kind)}"


@dataclass(frozen=True)
class ReportFacts:
    """What was asked for, and `read_seq`, the ledger number up to which all batches agree.

    `stores` is as `StoreFilter.as_json`. `exclude_reasons` are the words of the reasons whose time is left out.
    """

    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    windows: Sequence[str]
    formats: Sequence[FileFormat]
    files: Sequence[FileKind]
    stores: Mapping[str, Any] | None
    scope: Mapping[str, str] | None
    exclude_reasons: Sequence[str]
    read_seq: int
    stores_failed: int


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch for one file. Batch 0 also has the header.

    The report has a row for each store that did not fail, the file of outages a row for each outage, and so on.
    """

    key: str
    size_bytes: int
    sha256: str
    batch_no: int
    rows: int
    kind: FileKind = "report"

    @property
    def stored(self) -> StoredObject:
        """The object as it must be in the bucket."""
        return StoredObject(self.key, self.size_bytes, self.sha256)
