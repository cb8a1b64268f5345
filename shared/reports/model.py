"""A report, its batches and their leases as values. The other modules of this package change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.reports.formats import FileFormat, FileKind, file_name
from shared.storage import StoredObject

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
class OutagesPart:
    """The uploaded part of a batch for the file of outages, and how many outages it has."""

    stored: StoredObject
    rows: int


@dataclass(frozen=True)
class BatchResult:
    """What a batch yields in addition to its part of the report.

    Stores without a row there: those that `failed`, and the number of those that exist in none of the windows. `outages`
    is None unless the report has that file.
    """

    failed: Sequence[StoreFailure] = ()
    left_out: int = 0
    outages: OutagesPart | None = None

    def as_row(self) -> dict[str, object]:
        """Return the columns of the batch's row."""
        part = self.outages
        return {
            "failed_stores": len(self.failed),
            "left_out": self.left_out,
            "outages_part": part and part.stored.key,
            "outages_size_bytes": part and part.stored.size_bytes,
            "outages_sha256": part and part.stored.sha256,
            "outages_rows": part and part.rows,
        }


ONLY_A_PART = BatchResult()


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches.

    `ids_given` and `labels` are its filter of stores. If both are None, it holds every store that its caller may see.
    `accepted_seq` is the ledger number at which it was accepted: it decides which stores are in the report.
    `tzdata_version` is that of the process that accepted it; once it has succeeded, that of the workers.
    `files` are the finished ones, and `file_kinds` what was asked for.
    `failed_stores` holds the first of the `stores_failed` stores that could not be computed; it is empty in a list.
    `revision_of` is the first report of the chain of revisions; None if this is the first. `pinned_cut` is as in `Batch`.
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

    @property
    def is_final(self) -> bool:
        """Whether no worker can change the state any more."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True)
class Batch:
    """What one batch computes: a range of store ids, with the `stores` stores that existed at `accepted_seq`.

    If the report does not hold every store, `store_keys` lists the stores of the batch. `tzdata_version` is that of the
    process that accepted the report; None if that was the release before. `pinned_cut` is the ledger number at which the
    data is read, even if it has changed since. None: the newest.
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
    tzdata_version: str | None
    files: Sequence[FileKind] = ("report",)
    pinned_cut: int | None = None

    def read_seq(self, snapshot_seq: int) -> int:
        """Return the ledger number at which a reader with this snapshot reads the batch."""
        return snapshot_seq if self.pinned_cut is None else self.pinned_cut

    @property
    def finds_outages(self) -> bool:
        """Whether the batch computes outages, for a file of their own or for columns."""
        return self.detail or "outages" in self.files

    def part_key(self, attempt: str, kind: FileKind = "report") -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/parts/{self.batch_no:06d}-{attempt}/{file_name('csv', kind)}"


@dataclass(frozen=True)
class BatchLease:
    """The right to complete one batch until another worker gets a higher attempt.

    `is_last`: this is the last claim. If it fails too, the report fails.
    """

    batch: Batch
    attempt: int
    claim_id: UUID
    is_last: bool
    origin: Origin = NOWHERE

    @property
    def part_key(self) -> str:
        return self.batch.part_key(str(self.attempt))


@dataclass(frozen=True)
class FinaliseLease:
    """The right to finish one report until another worker gets a higher attempt. `is_last` as in `BatchLease`."""

    report_id: UUID
    attempt: int
    is_last: bool
    origin: Origin = NOWHERE

    def object_key(self, file_format: FileFormat, kind: FileKind = "report") -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/final-{self.attempt}/{file_name(file_format, kind)}"


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
    files: Sequence[FileKind]
    stores: Mapping[str, Any] | None
    scope: Mapping[str, str] | None
    read_seq: int
    stores_failed: int


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch for one file. Batch 0 also has the header.

    The report has a row for each store that did not fail, the file of outages a row for each outage.
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
