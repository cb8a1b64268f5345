"""The terms on which reports are accepted, and what a caller gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts import ComputeBatch
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
