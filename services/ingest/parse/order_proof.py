"""Finds rows of polls which prove that the given date format has day and month, or a short year, in the wrong order.

Other rows of the same file fit the given order too, and would be read as wrong dates without a word.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.date_formats import DateFormat
from services.ingest.parse.header import Layout
from services.ingest.parse.poll_instants import TIMESTAMP
from services.ingest.parse.reasons import Reject
from services.ingest.parse.refusals import ChunkRefused
from services.ingest.parse.rows import Rows, split_rows
from shared.date_orders import list_other_orders, prove_other_order
from shared.texts import quoted

DATE_ORDER: Final = "date_order"
# Further ahead than a wrong zone or clock can put a poll.
_FAR_US: Final = 48 * 3_600_000_000
# Rows of a chunk have much the same dates.
_SAMPLED: Final = 64
Mask = NDArray[np.bool_]


class OrderRefused(ChunkRefused):
    """A chunk with rows that only another order of day, month and year reads."""

    def __init__(self, message: str, rejects: Sequence[Reject]) -> None:
        super().__init__(DATE_ORDER, message)
        self.rejects = rejects


def refuse_other_order(rows: Rows, latest_us: int, date_format: str) -> None:
    """Raise `OrderRefused` if enough rows of a chunk can only be read in another order than `date_format` has."""
    texts = pl.Series(rows.decode_column(TIMESTAMP), dtype=pl.String)
    is_read, faults = _read(texts, date_format, latest_us)
    strays = np.flatnonzero(~is_read)
    orders = list(list_other_orders(date_format)) if strays.size else []
    found = [np.count_nonzero(_read(texts.gather(strays), other, latest_us)[0]) for other in orders]
    if not any(found):
        return
    other = orders[int(np.argmax(found))]
    fits_other, _ = _read(texts, other, latest_us)
    only_other, only_given = fits_other & ~is_read, is_read & ~fits_other
    counts = int(np.count_nonzero(only_given)), int(np.count_nonzero(only_other))
    if prove_other_order(*counts):
        # A date that does not exist shows it better than one in the future.
        row = min(np.flatnonzero(only_other).tolist(), key=lambda one: (one not in faults, one))
        example = f"{quoted(texts[row].strip(' '))} (line {int(rows.lines[row]):,})"
        rejects = rows.collect_rejects({stray: faults.get(stray, "future") for stray in strays.tolist()})
        raise OrderRefused(_describe(rows.chunk, date_format, other, example, counts), rejects)


def tells_order(chunk: Chunk, layout: Layout, latest_us: int, date_format: str) -> bool:
    """Return whether some of a sample of the rows can be read in one order of day, month and year only."""
    lines = chunk.data.split(b"\n")[:-1:_SAMPLED]
    rows = split_rows(replace(chunk, data=b"".join(line + b"\n" for line in lines)), layout)
    texts = pl.Series(rows.decode_column(TIMESTAMP), dtype=pl.String)
    is_read, _ = _read(texts, date_format, latest_us)
    return any(
        (_read(texts, other, latest_us)[0] != is_read).any() for other in list_other_orders(date_format)
    )


def _read(texts: pl.Series, date_format: str, latest_us: int) -> tuple[Mask, Mapping[int, str]]:
    """Return which values a format reads as instants that polls may have, and why it does not read others."""
    found = DateFormat.parse(date_format).decode(texts)
    is_read: Mask = found.at_us <= latest_us + _FAR_US
    is_read[list(found.faults)] = False
    return is_read, found.faults


def _describe(chunk: Chunk, given: str, other: str, example: str, counts: tuple[int, int]) -> str:
    only_given, only_other = counts
    rows, fit = ("row", "fits") if only_other == 1 else ("rows", "fit")
    some = f"{only_other:,} {rows} from line {chunk.first_line:,} on, such as {example}, {fit} only {other!r}"
    if not only_given:
        return (
            f"the date format {given!r} cannot be right: {some}, and no row fits only the given format. Load the file with"
            f" --date-format {shlex.quote(other)} (uploads: ?date_format=)"
        )
    return (
        f"the dates are written in two orders: {some}, and {only_given:,} only the given {given!r}."
        " Split the file, and load each part with its own --date-format"
    )
