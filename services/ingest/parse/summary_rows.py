"""Finds totals below a table, as database tools and spreadsheets write them: `Total,2` or `(7 rows)` are not stores.

Some words are never stores. Others, such as `Total 7`, count only in the last lines of a chunk, if nothing but numbers
stands beside them, and if no other id differs from them in its number alone. Rows that are rejected anyway, and have
nothing beside such words, are footers in the middle of joined files.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from typing import Final

import numpy as np

from services.ingest.parse.kinds import Kind
from services.ingest.parse.rows import Rows
from services.ingest.parse.summary_words import ALWAYS, BELOW_TABLE

SUMMARY_ROW: Final = "summary_row"
# Their fields may be valid in a total.
_TAKE_ANY_WORDS: Final[frozenset[Kind]] = frozenset({"stores", "lifetimes", "timezones"})
_ALWAYS: Final = re.compile(ALWAYS, re.IGNORECASE)
_BELOW_TABLE: Final = re.compile(BELOW_TABLE, re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+0-9.,:' %]*")
_EDGES: Final = ' "\u00a0'
_REMEMBERED: Final = 4096
_MOST_LINES: Final = 20


def mark_summaries(rows: Rows, faults: dict[int, str], *, allow_odd_ids: bool) -> None:
    """Give each row that is a total its own reason, in `faults` and among the rejects."""
    if allow_odd_ids or rows.chunk.of_messages:
        return
    if rows.layout.kind in _TAKE_ANY_WORDS:
        found = rows.ids.str.strip_chars().str.contains(f"(?i)^(?:{ALWAYS})$")
        faults |= dict.fromkeys(found.arg_true().to_list(), SUMMARY_ROW)
    _mark_footers(rows, faults)
    for place, line in islice(_read_backwards(rows, faults), _MOST_LINES):
        if _is_always(_first_field(line, rows)):
            continue
        if not _is_below_table(line, rows):
            break
        _mark(rows, faults, place)


def _mark(rows: Rows, faults: dict[int, str], place: int) -> None:
    if place >= 0:
        faults[place] = SUMMARY_ROW
    else:
        rows.rejects[~place] = replace(rows.rejects[~place], reason=SUMMARY_ROW)


def _mark_footers(rows: Rows, faults: dict[int, str]) -> None:
    """Mark rejected rows that are totals or footers wherever they stand: `End of report,,`, but not a row of a store `Count`."""
    rejected = ((~place, one.raw, one.reason) for place, one in enumerate(rows.rejects))
    footers: dict[int, str] = {}
    for place, line, reason in chain(rejected, ((row, rows.read_line(row), "") for row in [*faults])):
        first = _first_field(line, rows)
        if _is_always(first):
            _mark(rows, faults, place)
        elif _is_footer_word(first) and reason != "quoting" and _stands_alone(line, rows):
            footers[place] = first
    if footers:
        sound = rows.ids.gather(np.setdiff1d(np.arange(len(rows.lines)), [*faults])).unique()
        stores = {store_id.strip(_EDGES) for store_id in sound} & {*footers.values()}
        for place, first in footers.items():
            if first not in stores:
                _mark(rows, faults, place)


def _stands_alone(line: bytes, rows: Rows) -> bool:
    return not any(map(_clean, line.split(rows.layout.separator.encode())[1:]))


def _is_below_table(line: bytes, rows: Rows) -> bool:
    """Whether one of the last lines is a total. `Total 7` is a filling station if there is a `Total 6`, or a text beside it."""
    fields = map(_clean, line.split(rows.layout.separator.encode()))
    first, *others = [field for field in fields if field] or [""]
    match = _BELOW_TABLE.fullmatch(first)
    if match is None or not all(map(_NUMBER.fullmatch, others)):
        return False
    if not match["word"] or match["word"] == first:
        return True
    alike = rows.ids.filter(rows.ids.str.contains(f"(?i)^ *{re.escape(match['word'])} ?[(]?[0-9]"))
    return bool((alike.str.strip_chars() == first).all())


def _read_backwards(rows: Rows, faults: Mapping[int, str]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that may be totals, from the last one up: the index of a row, or that of a reject inverted, and the text."""
    row, place = len(rows.lines) - 1, len(rows.rejects) - 1
    while row >= 0 or place >= 0:
        if place < 0 or (row >= 0 and rows.lines[row] > rows.rejects[place].line):
            if row not in faults and rows.layout.kind not in _TAKE_ANY_WORDS:
                return
            yield row, rows.read_line(row)
            row -= 1
        else:
            yield ~place, rows.rejects[place].raw
            place -= 1


@lru_cache(_REMEMBERED)
def _is_always(text: str) -> bool:
    return _ALWAYS.fullmatch(text) is not None


@lru_cache(_REMEMBERED)
def _is_footer_word(text: str) -> bool:
    match = _BELOW_TABLE.fullmatch(text)
    return match is not None and match["word"] in (None, text)


def _first_field(line: bytes, rows: Rows) -> str:
    border = rows.layout.separator.encode()
    return _clean(line.lstrip(b' "' + border).partition(border)[0])


def _clean(field: bytes) -> str:
    return field.decode("utf-8", "replace").strip(_EDGES)
