"""Batches of a report: what a worker computes, holds and returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.reports.formats import FileKind, file_name
from shared.reports.model import NOWHERE, JobKind, Origin, StoreFailure
from shared.storage import StoredObject


@dataclass(frozen=True)
class OutagesPart:
    """The uploaded part of a batch for the file of outages, and how many outages it has."""

    stored: StoredObject
    rows: int


@dataclass(frozen=True)
class BatchResult:
    """What a batch yields in addition to its part of the report.

    Stores without a row there: those that `failed`, and the number of those that exist in none of the windows. `outages`
    is None unless the report has that file. `facts_only` has the first and the last local date that came from daily facts
    whose polls are gone; None if there is none.
    """

    failed: Sequence[StoreFailure] = ()
    left_out: int = 0
    outages: OutagesPart | None = None
    facts_only: tuple[date, date] | None = None

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
            "facts_only_first": self.facts_only and self.facts_only[0],
            "facts_only_last": self.facts_only and self.facts_only[1],
        }


ONLY_A_PART = BatchResult()


@dataclass(frozen=True)
class Batch:
    """What one batch computes: a range of store ids, with the `stores` stores that existed at `accepted_seq`.

    If the report does not hold every store, `store_keys` lists the stores of the batch. `tzdata_version` is that of the
    process that accepted the report; None if that was the release before. `pinned_cut` is the ledger number at which the
    data is read, even if it has changed since. None: the newest. A batch of kind `facts` computes local dates, from
    `first_day` to `last_day`, and has no windows. One of kind `facts_export` has no stores: it writes the month that is as
    many months after `first_day` as its number, with `force` even if nothing has changed.
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
    kind: JobKind = "report"
    first_day: date | None = None
    last_day: date | None = None
    force: bool = False

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
