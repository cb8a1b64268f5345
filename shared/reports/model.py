"""A report, its batches and the leases on them, as values. What they may do is in the modules beside this one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

ReportState = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]

CSV_CONTENT_TYPE = "text/csv; charset=utf-8"
CSV_FILE_NAME = "report.csv"


@dataclass(frozen=True)
class ReportRequest:
    """What a caller asks for. `as_of` is an instant, or the newest accepted poll, or the database's clock.

    The same question about the same data is answered by the same report, unless `force`.
    """

    policy: str
    as_of: datetime | Literal["latest", "now"] = "latest"
    detail: bool = False
    force: bool = False

    @property
    def sha256(self) -> bytes:
        """What two requests have in common that ask the same."""
        return hashlib.sha256(repr((self.policy, str(self.as_of), self.detail, self.force)).encode()).digest()


@dataclass(frozen=True)
class Caller:
    """Who asks: the prefix of an API key, and the Idempotency-Key that came with the request."""

    key_prefix: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Report:
    """A row of `report`, with its progress counted from the batches."""

    id: UUID
    state: ReportState
    as_of: datetime
    policy: str
    policy_version: int
    detail: bool
    data_cut: int
    tzdata_version: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    object: str | None
    size_bytes: int | None
    sha256: str | None
    rows: int | None
    error: dict[str, Any] | None
    stores_total: int
    stores_done: int

    @property
    def is_final(self) -> bool:
        """Whether the state will not change by the work of a worker any more."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class Batch:
    """What one batch is to compute: the stores of a range of ids, as many as `stores`, that the data cut knows."""

    report_id: UUID
    batch_no: int
    first_id: str | None
    last_id: str | None
    stores: int
    as_of: datetime
    policy: str
    detail: bool
    data_cut: int

    def part_key(self, attempt: str) -> str:
        """Where this attempt, and no other, writes."""
        return f"reports/{self.report_id}/parts/{self.batch_no:06d}-{attempt}/{CSV_FILE_NAME}"


@dataclass(frozen=True)
class BatchLease:
    """The right to complete one batch, until another worker gets a higher attempt."""

    batch: Batch
    attempt: int

    @property
    def part_key(self) -> str:
        return self.batch.part_key(str(self.attempt))


@dataclass(frozen=True)
class FinaliseLease:
    """The right to finish one report, until another worker gets a higher attempt."""

    report_id: UUID
    attempt: int

    @property
    def object_key(self) -> str:
        """Where this attempt, and no other, writes."""
        return f"reports/{self.report_id}/final-{self.attempt}/{CSV_FILE_NAME}"


@dataclass(frozen=True)
class Part:
    """The uploaded result of one batch."""

    key: str
    size_bytes: int
    sha256: str
    stores: int
