"""What a dry run knows of one file of polls."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.chunks import Prefix
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.reasons import Reject
from services.ingest.parse.refusals import ChunkRefused
from services.ingest.parse.store_numbers import StoreNumbers
from services.ingest.sources.source import Source
from services.ingest.write.attribution import count_repeats
from services.ingest.write.counts import NO_ROWS, RowCounts
from services.ingest.write.import_result import ImportResult
from services.ingest.write.ledger import FIRST_REJECTS
from services.ingest.write.remarks import LISTED_NEW_STORES
from shared.clock import from_us
from shared.errors import BadInputFile
from shared.row_reasons import by_frequency

_NO_STORES = np.zeros(0, np.int32)


@dataclass
class ComparedFile:
    """The chunks of one file so far."""

    source: Source
    prefix: Prefix = field(default_factory=Prefix)
    counts: RowCounts = NO_ROWS
    rejects: list[Reject] = field(default_factory=list)
    remarks: Mapping[str, object] = field(default_factory=dict)
    refusal: BadInputFile | None = None
    seconds: float = 0.0
    _first_us: int | None = None
    _last_us: int | None = None
    _stores: NDArray[np.int32] = field(default_factory=lambda: _NO_STORES)
    _new_stores: int = 0
    _new_listed: Sequence[str] = ()
    _reasons: Counter[str] = field(default_factory=Counter)

    def add_chunk(self, parsed: ParsedPolls) -> None:
        """Count what a chunk says without a look at what is stored."""
        self._count_rejects(parsed.rejects)
        self.counts += count_repeats(parsed.deduped) + RowCounts(
            cut_fractions=parsed.cut_fractions, assumed_utc=parsed.assumed_utc
        )
        polls = parsed.deduped.polls
        if len(polls):
            first, last = int(polls.at_us.min()), int(polls.at_us.max())
            self._first_us = min(first, first if self._first_us is None else self._first_us)
            self._last_us = max(last, last if self._last_us is None else self._last_us)
            self._stores = np.union1d(self._stores, polls.store)

    def refuse(self, refusal: BadInputFile) -> None:
        """End the file at a chunk that a load would refuse."""
        self.refusal = refusal
        if isinstance(refusal, ChunkRefused):
            self._count_rejects(refusal.rejects)

    def list_stores(self) -> NDArray[np.int32]:
        """Return the numbers of its stores."""
        return self._stores

    def plan_stores(self, stores: StoreNumbers, new: NDArray[np.int32]) -> None:
        """Note which of its stores are new."""
        self._new_stores = len(new)
        self._new_listed = stores.name_stores(new[:LISTED_NEW_STORES]).to_list()

    def make_result(self, change: RowCounts) -> ImportResult:
        """Return the counts, with this change, as the result of a load."""
        counts, refusal = self.counts + change, self.refusal
        stopped = isinstance(refusal, ChunkRefused) and self._first_us is not None
        return ImportResult(
            self.source.name,
            "succeeded" if refusal is None else "stopped" if stopped else "failed",
            kind="polls",
            rows_read=counts.rows_read,
            accepted=counts.accepted,
            duplicate=counts.duplicate,
            corrected=counts.corrected,
            rejected=counts.rejected,
            cut_fractions=counts.cut_fractions,
            first_rejects=self.rejects,
            seconds=self.seconds,
            error=None if refusal is None else str(refusal),
            reason=None if refusal is None else refusal.reason,
            quality={
                "plan": self._make_plan(),
                "rejects": dict(by_frequency(self._reasons)),
                **self.remarks,
            },
        )

    def _count_rejects(self, rejects: Sequence[Reject]) -> None:
        self.rejects += rejects[: FIRST_REJECTS - len(self.rejects)]
        self._reasons.update(reject.reason for reject in rejects)
        self.counts += RowCounts(rejected=len(rejects))

    def _make_plan(self) -> dict[str, object]:
        first, last = (
            None if at_us is None else str(from_us(at_us).date()) for at_us in (self._first_us, self._last_us)
        )
        return {
            "stores": len(self._stores),
            "new_stores": self._new_stores,
            "new_stores_list": self._new_listed,
            "first_date": first,
            "last_date": last,
        }
