"""The terms on which reports are accepted, and what a caller gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor

from shared.contracts import ComputeBatch, ShortBatch
from shared.limits import NO_LIMITS, KeyLimits
from shared.reports.ranges import BatchRanges


@dataclass(frozen=True)
class BatchTerms:
    """How work is divided: stores per batch, and seconds until an unclaimed batch is published again.

    `ranges` caches, for one database, how all its stores are divided. `limits` say what one key may have open.
    """

    batch_stores: int
    republish_s: float
    ranges: BatchRanges = field(default_factory=BatchRanges)
    limits: KeyLimits = NO_LIMITS


@dataclass(frozen=True)
class Accepted:
    """The report, and the messages that wake workers for it. There are none if the report existed already.

    `open_reports`: the key's unfinished reports, including this one. None if they were not counted.
    """

    report_id: UUID
    wakes: Sequence[ComputeBatch] = ()
    open_reports: int | None = None


@dataclass(frozen=True)
class NewReport:
    """A report that was inserted. Its batches are read after COMMIT, which therefore waits for no answer.

    `batches` is a cursor over their numbers, stores, whether they are short, and homes; `open_reports` as in `Accepted`.
    """

    report_id: UUID
    batches: AsyncCursor[Any]
    open_reports: int


async def read_batches(found: Accepted | NewReport) -> Accepted:
    """Return what the caller gets. A new report may be committed already, or not yet."""
    if isinstance(found, Accepted):
        return found
    wakes = [
        (ShortBatch if is_short else ComputeBatch)(report_id=found.report_id, batch_no=batch_no, home=home)
        for batch_no, _, is_short, home in sorted(await found.batches.fetchall())
    ]
    return Accepted(found.report_id, wakes, found.open_reports)
