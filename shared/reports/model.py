"""A report, its batches and their leases as values. The other modules of this package change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.reports.formats import FileFormat, file_name

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
class WithoutRow:
    """The stores of a batch that have no row in its part: those that failed, and those that exist in none of the windows."""

    failed: Sequence[StoreFailure] = ()
    left_out: int = 0


EVERY_STORE_HAS_A_ROW = WithoutRow()


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches.

    `ids_given` and `labels` are its filter of stores. If both are None, it holds every store that its caller may see.
    `accepted_seq` is the ledger number at which it was accepted: it decides which stores are in the report.
    `tzdata_version` is that of the process that accepted it; once it has succeeded, that of the workers.
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
    pinned_cut: int | None = None

    def read_seq(self, snapshot_seq: int) -> int:
        """Return the ledger number at which a reader with this snapshot reads the batch."""
        return snapshot_seq if self.pinned_cut is None else self.pinned_cut

    def part_key(self, attempt: str) -> str:
        """Return the key that only this attempt writes."""
        return f"reports/{self.report_id}/parts/{self.batch_no:06d}-{attempt}/{file_name('csv')}"


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
    stores_failed: int


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch: a row for each store that did not fail. Batch 0 also has the header."""

    key: str
    size_bytes: int
    sha256: str
    batch_no: int
    rows: int
