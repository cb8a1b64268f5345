"""The hours of one delivery: which stores they name, which rows are rejected, and how the others take effect."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.days import FROM_ZERO, find_first_numbers, is_first_number_unsaid
from services.ingest.parse.reasons import RAW_BYTES, Reject
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.dated_hours import replace_dated_hours
from services.ingest.write.day_numbers import Numbers
from services.ingest.write.hours_facts import find_equal_times, find_long_openings, plan_files
from services.ingest.write.hours_values import dates, encode_hours
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.packed_rows import StagedFile, read_staged
from services.ingest.write.rejects import store_rejects
from services.ingest.write.remarks import LISTED_NEW_STORES, Remarks, ShrunkStore
from services.ingest.write.staged_rows import list_held_ids, reject_incomplete
from services.ingest.write.store_keys import look_up_keys
from services.ingest.write.wanted_hours import want_weekly
from services.ingest.write.weekly_hours import OnStep, WeeklyOutcome, replace_weekly_hours
from shared.db.queries import queries

_SQL = queries("ingest")
_NEWLINE: Final = 10
_Counts = Iterator[tuple[UUID, RowCounts]]


class HoursDelivery:
    """The staged files of hours. A store with a rejected row is held: it keeps what it had.

    The methods are those of `Delivery`, in the order in which they are called.
    """

    def __init__(
        self, ledger: ImportLedger, files: Sequence[StagedFile], numbers: Numbers, on_step: OnStep
    ) -> None:
        self._ledger = ledger
        self._conn = ledger.conn
        self._files = list(files)
        self._numbers = numbers
        self._on_step = on_step
        self._held: list[tuple[UUID, NDArray[np.int32]]] = []
        self._outcome = WeeklyOutcome()

    @classmethod
    def read(cls, ledger: ImportLedger, ids: Sequence[UUID], numbers: Numbers, on_step: OnStep) -> Self:
        """Read the staged rows of the imports, which number the days of the week as `numbers` tells."""
        first_days = find_first_numbers(numbers)
        files = read_staged(ledger.conn, ids, lambda file, values: encode_hours(values, first_days[file]))
        delivery = cls(ledger, files, numbers, on_step)
        delivery._hold_back(list_held_ids(ledger.conn, ids))
        return delivery

    def _hold_back(self, held: Sequence[str]) -> None:
        for place, file in enumerate(self._files if held else ()):
            is_held = file.ids.is_in(held).to_numpy()[file.store]
            self._files[place] = file.pick(~is_held)
            # Rows that the release before staged one by one are rejected in the database.
            if file.is_packed and is_held.any():
                self._held.append((file.import_id, file.line[is_held]))

    def find_new_stores(self) -> list[str]:
        new: set[str] = set()
        for file in self._files:
            file.keys[:] = look_up_keys(self._conn, file.ids)
            new.update(file.ids.filter((file.keys == 0) & file.has_store))
        return sorted(new, key=str.encode)

    def reject(self) -> _Counts:
        yield from reject_incomplete(self._conn, [file.import_id for file in self._files])
        for import_id, lines in self._held:
            with self._conn.cursor("staged_texts", binary=True) as chunks:
                chunks.itersize = 1
                for first_line, first_byte, text in chunks.execute(_SQL["staged_texts"], {"id": import_id}):
                    rejects = list(_list_rejects(lines, first_line, first_byte, text))
                    store_rejects(self._conn, import_id, rejects)
                    yield import_id, RowCounts(rejected=len(rejects))

    def apply(self, change: AdjustmentChange) -> _Counts:
        """Replace the hours of all stores that have rows. Yield how the rows of each import count.

        A valid row counts as accepted if it was not stored, and as a duplicate otherwise.
        """
        self._find_added_keys()
        is_dated = [dates(file.value) > 0 for file in self._files]
        weekly = [file.pick(~dated) for file, dated in zip(self._files, is_dated, strict=True)]
        outcome = self._outcome = replace_weekly_hours(
            self._conn, want_weekly(weekly), change.seq, self._on_step
        )
        change.weekly_changed = bool(outcome.added or outcome.removed)
        for place, file in enumerate(weekly):
            accepted = sum(int(np.count_nonzero(brought == place)) for brought in outcome.added)
            yield file.import_id, RowCounts(accepted, len(file.store) - accepted)
        if any(dated.any() for dated in is_dated):
            files = [file.pick(dated) for file, dated in zip(self._files, is_dated, strict=True)]
            yield from replace_dated_hours(self._conn, files, change)

    def remark(self, remarks: Remarks) -> None:
        own, numbers = self._ledger.import_id, self._numbers
        first_days = find_first_numbers(numbers)
        remarks.add_first_days({file: day for file, day in first_days.items() if numbers[file].distinct})
        if is_first_number_unsaid(numbers):
            remarks.add_note(own, FROM_ZERO)
        remarks.add_shrinking_stores(own, sorted(self._name_shrunk()))
        remarks.add_long_openings(find_long_openings(self._files))
        remarks.add_equal_times(find_equal_times(self._files))
        if not self._ledger.is_kept:
            remarks.add_removed(own, self._outcome.removed)

    def list_stores(self) -> dict[str, int]:
        """Return the keys of the stores that take effect, by id."""
        named: dict[str, int] = {}
        for file in self._files:
            named |= zip(file.ids.filter(file.has_store), file.keys[file.has_store].tolist(), strict=True)
        return named

    def plan(self) -> Iterator[dict[str, Any]]:
        return plan_files(self._files, LISTED_NEW_STORES)

    def set_stores(self, change: AdjustmentChange) -> None:
        """Hours change no row of a store."""

    def _find_added_keys(self) -> None:
        for file in self._files:
            missing = np.flatnonzero((file.keys == 0) & file.has_store)
            file.keys[missing] = look_up_keys(self._conn, file.ids.gather(missing))

    def _name_shrunk(self) -> Iterator[ShrunkStore]:
        shrunk = {key: seconds for key, *seconds in self._outcome.shrunk}
        named = (
            {key: store_id for store_id, key in self.list_stores().items() if key in shrunk} if shrunk else {}
        )
        for key, (before_s, after_s) in shrunk.items():
            yield named[key], before_s, after_s


def _list_rejects(
    lines: NDArray[np.int32], first_line: int, first_byte: int, text: bytes
) -> Iterator[Reject]:
    """Yield the rejects of those lines that are in a chunk."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
    for line in lines[(lines >= first_line) & (lines < first_line + len(ends))].tolist():
        place = line - first_line
        start, end = int(ends[place - 1]) + 1 if place else 0, int(ends[place])
        raw = text[start : min(end, start + RAW_BYTES)].removesuffix(b"\r")
        yield Reject(line, first_byte + start, "store_incomplete", raw)
