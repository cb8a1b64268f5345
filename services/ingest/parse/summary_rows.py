"""Finds totals below a table, as database tools and spreadsheets write them: `Total,2` or `(7 rows)` are not stores."""

import re
from dataclasses import replace
from typing import Final

import polars as pl

from services.ingest.parse.rows import Rows

SUMMARY_ROW: Final = "summary_row"
_WORDS: Final = r"(?:(?:grand|sub)[ -]?)?totals?(?: ?[:=].*)?|(?:average|count|records|rows|sum) ?[:=].*|\(?[0-9.,]+ (?:records?|rows?)\b.*"
_SUMMARY: Final = re.compile(_WORDS, re.IGNORECASE)
# Stores may be called so. Beside numbers or empty cells, they are totals.
_BARE_WORDS: Final = r"averages?|avg|count|mean|records|rows|sum"
_BARE: Final = re.compile(_BARE_WORDS, re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9.,: ]*%?")
# Looked for first: few lines begin so.
_BEGINS: Final = re.compile(
    rb'[ ",;\t|]*(?:grand|sub|total|average|avg|count|mean|records|rows|sum|\(?[0-9.,]+ )', re.IGNORECASE
)


def find_summaries(rows: Rows, ids: pl.Series) -> list[int]:
    """Return the rows that look like a total by their store id, or by a word for one beside nothing but numbers."""
    sure: list[int] = ids.str.contains(f"(?i)^(?:{_WORDS})$").arg_true().to_list()
    maybe: list[int] = ids.str.contains(f"(?i)^(?:{_BARE_WORDS})$").arg_true().to_list()
    return [*sure, *(row for row in maybe if _begins_like_total(rows.read_line(row), rows))]


def mark_summaries(rows: Rows, faults: dict[int, str], *, allow_odd_ids: bool) -> None:
    """Give each bad row that begins like a total its own reason, in `faults` and among the rejects."""
    if allow_odd_ids or rows.chunk.of_messages:
        return
    for place, reject in enumerate(rows.rejects):
        if _begins_like_total(reject.raw, rows):
            rows.rejects[place] = replace(reject, reason=SUMMARY_ROW)
    for row in faults:
        if _begins_like_total(rows.read_line(row), rows):
            faults[row] = SUMMARY_ROW


def _begins_like_total(line: bytes, rows: Rows) -> bool:
    if not _BEGINS.match(line):
        return False
    fields = (field.strip(b' "') for field in line.split(rows.layout.separator.encode()))
    first, *others = [field.decode("utf-8", "replace") for field in fields if field] or [""]
    if _SUMMARY.fullmatch(first):
        return True
    return _BARE.fullmatch(first) is not None and all(map(_NUMBER.fullmatch, others))
