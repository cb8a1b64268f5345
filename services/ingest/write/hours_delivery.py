"""The hours of one delivery: which stores they name, which rows are rejected, and how the others take effect."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from services.ingest.parse.days import FROM_ZERO, find_first_numbers, is_first_number_unsaid
from services.ingest.parse.parsed import HeldRow
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.dated_hours import replace_dated_hours
from services.ingest.write.day_numbers import Numbers
from services.ingest.write.hours_facts import find_equal_times, find_long_openings
from services.ingest.write.hours_values import dates, encode_hours
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.overfull_stores import TOO_MANY, find_overfull
from services.ingest.write.packed_delivery import Counts, PackedDelivery
from services.ingest.write.packed_rows import StagedFile
from services.ingest.write.remarks import Remarks, ShrunkStore
from services.ingest.write.staged_rows import stage_held
from services.ingest.write.wanted_hours import want_weekly
from services.ingest.write.weekly_hours import HoursOutcome, OnStep, replace_weekly_hours
from shared.db.queries import queries

_SQL = queries("ingest")
_NEWLINE: Final = 10


class HoursDelivery(PackedDelivery):
    """The hours of the stores of some files, which replace what these stores had."""

    def __init__(self, ledger: ImportLedger, ids: Sequence[UUID], numbers: Numbers, on_step: OnStep) -> None:
        """Read the staged rows of the imports, which number the days of the week as `numbers` tells."""
        self._first_days = find_first_numbers(numbers)
        super().__init__(ledger, ids, lambda file, values: encode_hours(values, self._first_days[file]))
        overfull = find_overfull(self._conn, self._files)
        self._overfull = [
            (file.import_id, list(_list_held(file, overfull))) for file in self._files if overfull
        ]
        self._hold_back(overfull, TOO_MANY)
        self._numbers = numbers
        self._on_step = on_step
        self._outcome = HoursOutcome()

    def prepare(self) -> None:
        super().prepare()
        self._is_dated = [dates(file.value) > 0 for file in self._files]
        weekly = [file.pick(~dated) for file, dated in zip(self._files, self._is_dated, strict=True)]
        self._wanted = want_weekly(weekly)
        self._weekly_rows = [len(file.store) for file in weekly]

    def reject(self) -> Counts:
        for import_id, held in self._overfull:
            stage_held(self._conn, import_id, held)
        yield from super().reject()

    def apply(self, change: AdjustmentChange) -> Counts:
        """Replace the hours of all stores that have rows. Yield how the rows of each import count.

        A valid row counts as accepted if it was not stored, and as a duplicate otherwise.
        """
        outcome = self._outcome = replace_weekly_hours(self._conn, self._wanted, change.seq, self._on_step)
        del self._wanted  # a tenth of the memory of a large file
        self.weeks = outcome.weeks
        change.weekly_changed = bool(outcome.added or outcome.removed)
        for place, (file, rows) in enumerate(zip(self._files, self._weekly_rows, strict=True)):
            accepted = sum(int(np.count_nonzero(brought == place)) for brought in outcome.added)
            yield file.import_id, RowCounts(accepted, rows - accepted)
        if any(dated.any() for dated in self._is_dated):
            # Other weekly hours of these stores stay.
            self.weeks = None
            files = [file.pick(dated) for file, dated in zip(self._files, self._is_dated, strict=True)]
            yield from replace_dated_hours(self._conn, files, change, outcome)

    def remark(self, remarks: Remarks) -> None:
        own, numbers = self._ledger.import_id, self._numbers
        remarks.add_first_days(
            {file: day for file, day in self._first_days.items() if numbers[file].distinct}
        )
        if is_first_number_unsaid(numbers):
            for file in (file for file, used in numbers.items() if used.is_silent):
                remarks.add_note(file, FROM_ZERO)
        remarks.add_shrinking_stores(own, sorted(self._name_shrunk()))
        remarks.add_long_openings(find_long_openings(self._files))
        remarks.add_equal_times(find_equal_times(self._files))
        if not self._ledger.is_kept:
            remarks.add_removed([file.import_id for file in self._files], self._outcome.removed)

    def set_stores(self, change: AdjustmentChange) -> None:
        """Hours change no row of a store."""

    def _name_shrunk(self) -> Iterator[ShrunkStore]:
        shrunk: defaultdict[int, list[tuple[int, int, date | None]]] = defaultdict(list)
        for key, before_s, after_s, start in self._outcome.shrunk:
            shrunk[key].append((before_s, after_s, start))
        for store_id, key in zip(*self.list_stores(), strict=True) if shrunk else ():
            for before_s, after_s, start in shrunk.get(key, ()):
                yield store_id, before_s, after_s, str(start or "")


def _list_held(file: StagedFile, overfull: Sequence[str]) -> Iterator[HeldRow]:
    """Yield the first row of each of these stores."""
    rows = np.flatnonzero(file.ids.is_in(overfull).to_numpy()[file.store])
    for place, first in zip(*np.unique(file.store[rows], return_index=True), strict=True):
        yield HeldRow(file.ids[int(place)], int(file.line[rows[first]]), 0, TOO_MANY)
