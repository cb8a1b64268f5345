"""Tells which stores the rejected rows of a chunk hold back: all kinds except polls take effect for a store completely or not."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np

from services.ingest.parse.chunks import TAIL_BYTES
from services.ingest.parse.days import parse_day
from services.ingest.parse.encodings import decode_cp1252, is_utf8
from services.ingest.parse.header import Layout
from services.ingest.parse.header_fields import SEPARATORS
from services.ingest.parse.joined_files import REPEATED_HEADER
from services.ingest.parse.parsed import HeldRow
from services.ingest.parse.reasons import Reject
from services.ingest.parse.rows import Ints, Rows
from services.ingest.parse.summary_rows import SUMMARY_ROW
from shared.store_ids import NO_ID, guess_store_id

# They name no store.
_OF_NO_STORE: Final = frozenset({"odd_id", "every_store", SUMMARY_ROW, REPEATED_HEADER})
_ANY_SEPARATOR: Final = re.compile(b"[%s]" % re.escape(SEPARATORS).encode())


def hold_back(rows: Rows, faults: Mapping[int, str]) -> Iterator[HeldRow]:
    """Yield the rejected rows whose store is known: nothing of that store takes effect.

    A row without an id may be one of the store above it, as where cells of a spreadsheet were merged.
    """
    named = [(reject, _find_store(reject.raw, rows.layout)) for reject in rows.rejects]
    above = _StoresAbove(rows, faults, [(one, store_id) for one, store_id in named if store_id != ""])
    for row, reason in faults.items():
        if reason in _OF_NO_STORE:
            continue
        line, byte_offset = int(rows.lines[row]), rows.chunk.first_byte + int(rows.places[row])
        store_id = above.find(line) if reason == NO_ID else guess_store_id(rows.decode_field(0, row))
        if store_id:
            day = parse_day(rows.decode_field(1, row)) if rows.layout.kind == "hours" else None
            named_day, number = (day.named, day.number) if day else (None, None)
            yield HeldRow(store_id, line, byte_offset, reason, day_of_week=named_day, day_number=number)
    for reject, store_id in named:
        if reject.reason not in _OF_NO_STORE:
            found, reason = (above.find(reject.line), NO_ID) if store_id == "" else (store_id, reject.reason)
            if found:
                yield HeldRow(found, reject.line, reject.byte_offset, reason)


class _StoresAbove:
    """The stores of the rows above others. `broken`: the lines that are not rows and have an id, and their stores."""

    def __init__(
        self, rows: Rows, faults: Mapping[int, str], broken: Sequence[tuple[Reject, str | None]]
    ) -> None:
        self._rows = rows
        self._faults = faults
        self._broken = broken

    @cached_property
    def _named(self) -> Ints:
        """The rows with an id."""
        unnamed = [row for row, reason in self._faults.items() if reason == NO_ID]
        return np.setdiff1d(np.arange(len(self._rows.lines)), unnamed)

    @cached_property
    def _named_lines(self) -> Ints:
        return self._rows.lines[self._named]

    def find(self, line: int) -> str | None:
        """Return the store of the last line above this one that has an id. None if the id names no store."""
        place = int(np.searchsorted(self._named_lines, line)) - 1
        broken = bisect_left(self._broken, line, key=lambda one: one[0].line) - 1
        if broken >= 0 and (place < 0 or self._broken[broken][0].line > self._named_lines[place]):
            reject, store_id = self._broken[broken]
            return None if reject.reason in _OF_NO_STORE else store_id
        if place < 0:
            return _find_last(self._rows.chunk.above, self._rows.layout)
        row = int(self._named[place])
        is_store = self._faults.get(row) not in _OF_NO_STORE
        return guess_store_id(self._rows.decode_field(0, row)) if is_store else None


def _find_last(above: bytes, layout: Layout) -> str | None:
    """Return the store of the last of these lines that has an id."""
    first, *lines = above.split(b"\n")
    # The first line of a full tail may be cut.
    lines = lines if len(above) == TAIL_BYTES else [first, *lines]
    stores = (_find_store(line.removesuffix(b"\r"), layout) for line in reversed(lines))
    return next((store_id for store_id in stores if store_id), None)


def _find_store(line: bytes, layout: Layout) -> str | None:
    """Return the store that a line names, even if the line is not a row: "" if its id is empty, None if that cannot be told."""
    fields = line.split(layout.separator.encode())
    if layout.columns[0] >= len(fields):
        return None
    field = fields[layout.columns[0]]
    if len(fields) == 1:
        # The line has another separator than the file.
        field = _ANY_SEPARATOR.split(field, maxsplit=1)[0]
    text = (field.decode() if is_utf8(field) else decode_cp1252(field)).strip('" ')
    text = text.removeprefix('="')
    return guess_store_id(text) if text else ""
