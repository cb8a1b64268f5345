"""What the deliveries of packed rows have in common: their stores, and the rejects of stores that are held back."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.reasons import RAW_BYTES, Reject
from services.ingest.write.counts import RowCounts
from services.ingest.write.hours_facts import plan_files
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.packed_rows import Encode, StagedFile, read_staged, read_texts
from services.ingest.write.rejects import store_rejects
from services.ingest.write.remarks import LISTED_NEW_STORES
from services.ingest.write.staged_rows import list_held_ids, reject_incomplete
from services.ingest.write.store_keys import look_up_keys
from shared.diagnostics.week_rows import WeekFindings

_NEWLINE: Final = 10
_NO_STORES: Final = pl.DataFrame(schema={"id": pl.String, "key": pl.Int32})
# The ids of stores, and their keys.
Stores = tuple[pl.Series, Sequence[int]]
Counts = Iterator[tuple[UUID, RowCounts]]


class PackedDelivery:
    """The staged files of one kind. A store with a rejected row is held: it keeps what it had.

    The methods are those of `StagedDelivery`, in the order in which they are called.
    """

    def __init__(self, ledger: ImportLedger, ids: Sequence[UUID], encode: Encode) -> None:
        """Read the rows that the imports have staged."""
        self._ledger = ledger
        self._conn = ledger.conn
        self._files = read_staged(self._conn, ids, encode)
        self.weeks: WeekFindings | None = None
        self._held: list[tuple[UUID, pl.Series, NDArray[np.int32], str]] = []
        self._hold_back(list_held_ids(self._conn, ids), "store_incomplete")

    def _hold_back(self, held: Sequence[str], reason: str) -> None:
        """Take out the rows of some stores, which are rejected later."""
        if held:
            self._files = [self._pick_others(file, held, reason) for file in self._files]

    def _pick_others(self, file: StagedFile, held: Sequence[str], reason: str) -> StagedFile:
        is_held = file.ids.is_in(held).to_numpy()[file.store]
        # Rows that the release before staged one by one are rejected in the database.
        if file.is_packed and is_held.any():
            self._held.append((file.import_id, file.ids, file.line[is_held], reason))
        return file.pick(~is_held)

    def find_new_stores(self) -> pl.Series:
        new = [pl.Series(dtype=pl.String)]
        for file in self._files:
            file.keys[:] = look_up_keys(self._conn, file.ids)
            new.append(file.ids.filter((file.keys == 0) & file.has_store))
        return pl.concat(new).unique().sort()

    def reject(self) -> Counts:
        yield from reject_incomplete(self._conn, [file.import_id for file in self._files])
        for import_id, ids, lines, reason in self._held:
            for chunk in read_texts(self._conn, import_id, ids, lines):
                rejects = list(_list_rejects(lines, reason, *chunk))
                store_rejects(self._conn, import_id, rejects)
                yield import_id, RowCounts(rejected=len(rejects))

    def prepare(self) -> None:
        """Look up the keys of the stores that were new."""
        for file in self._files:
            missing = np.flatnonzero((file.keys == 0) & file.has_store)
            file.keys[missing] = look_up_keys(self._conn, file.ids.gather(missing))

    def list_stores(self) -> Stores:
        given = [
            pl.DataFrame({"id": file.ids, "key": file.keys}).filter(file.has_store) for file in self._files
        ]
        named = pl.concat([_NO_STORES, *given]).unique("key", maintain_order=True)
        return named["id"], array("i", named["key"].to_numpy().tobytes())

    def plan(self) -> Iterator[dict[str, Any]]:
        return plan_files(self._files, LISTED_NEW_STORES)


def _list_rejects(
    lines: NDArray[np.int32], reason: str, first_line: int, first_byte: int, text: bytes
) -> Iterator[Reject]:
    """Yield the rejects of those lines that are in a chunk."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
    for line in lines[(lines >= first_line) & (lines < first_line + len(ends))].tolist():
        place = line - first_line
        start, end = int(ends[place - 1]) + 1 if place else 0, int(ends[place])
        raw = text[start : min(end, start + RAW_BYTES)].removesuffix(b"\r")
        yield Reject(line, first_byte + start, reason, raw)
