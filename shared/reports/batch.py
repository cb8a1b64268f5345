"""Batches of a report: what a worker computes, holds and returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.reports.formats import FileKind, file_name
from shared.reports.model import NOWHERE, JobKind, Origin, StoreFailure
from shared.reports.needs import measured_windows, needs_every_poll, needs_outages
from shared.storage import StoredObject


@dataclass(frozen=True)
class FurtherPart:
    """The uploaded part of a batch for a further file of the report, and how many rows it has."""

    stored: StoredObject
    rows: int


@dataclass(frozen=True)
class BatchResult:
    """What a batch yields in addition to its part of the report.

    Stores without a row there: those that `failed`, and the number of those that exist in none of the windows. `outages`,
    `reasons` and `summary` are None unless the report has that file. `facts_only` has the first and the last local date that came from daily facts
    whose polls are gone; None if there is none.
    """

    failed: Sequence[StoreFailure] = ()
    left_out: int = 0
    outages: FurtherPart | None = None
    reasons: FurtherPart | None = None
    summary: FurtherPart | None = None
    facts_only: tuple[date, date] | None = None

    def as_row(self) -> dict[str, object]:
        """Return the columns of the batch's row."""
        return {
            "failed_stores": len(self.failed),
            "left_out": self.left_out,
            **_part_columns("outages", self.outages),
            **_part_columns("reasons", self.reasons),
            **_part_columns("summary", self.summary),
            "facts_only_first": self.facts_only and self.facts_only[0],
            "facts_only_last": self.facts_only and self.facts_only[1],
        }


def _part_columns(kind: FileKind, part: FurtherPart | None) -> dict[str, object]:
    return {
        f"{kind}_part": part and part.stored.key,
        f"{kind}_size_bytes": part and part.stored.size_bytes,
        f"{kind}_sha256": part and part.stored.sha256,
        f"{kind}_rows": part and part.rows,
    }


ONLY_A_PART = BatchResult()


@dataclass(frozen=True)
class Batch:
    """What one batch computes: a range of store ids, with the `stores` stores that existed at `accepted_seq`.

    If the report does not hold every store, `store_keys` lists the stores of the batch. `tzdata_version` is that of the
    process that accepted the report; None if that was the release before. `pinned_cut` is the ledger number at which the
    data is read, even if it has changed since. None: the newest. A batch of kind `facts` computes local dates, from
    `first_day` to `last_day`, and has no windows. One of kind `facts_export` has no stores: it writes the month that is as
    many months after `first_day` as its number, with `force` even if nothing has changed. Nor has one of kind
    `seal` or `unseal`: it seals or opens the week that is as many weeks after `first_day`. One of kind
    `insights` counts the hours of its stores on the dates from `first_day` to `last_day`. `exclude_reasons` are the words of
    reasons whose time is left out.
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
    exclude_reasons: Sequence[str] = ()
    force: bool = False

    def read_seq(self, snapshot_seq: int) -> int:
        """Return the ledger number at which a reader with this snapshot reads the batch."""
        return snapshot_seq if self.pinned_cut is None else self.pinned_cut

    @property
    def finds_outages(self) -> bool:
        """Whether the batch computes outages, for a file of their own or for columns."""
        return needs_outages(self.files, detail=self.detail)

    @property
    def needs_every_poll(self) -> bool:
        """Whether daily facts cannot give the numbers of the batch."""
        return needs_every_poll(self.files, detail=self.detail, excludes_reasons=bool(self.exclude_reasons))

    @property
    def measured_windows(self) -> Sequence[str]:
        """The windows of the report, followed by those before them if it has a summary."""
        return measured_windows(self.windows, self.files)

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
