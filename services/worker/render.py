"""Turn measures into the report's columns and bytes. Must not know the database or the storage."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from services.worker.columns import NAME, STORE_ID, TIMEZONE, Column
from shared.formulas import all_inert
from shared.uptime.kernel import Measures
from shared.uptime.outage_totals import OutageTotals
from shared.uptime.rounding import PER_UNIT, round_outages, round_times
from shared.uptime.zones import DEFAULT_TIMEZONE

Numbers = NDArray[np.int64] | NDArray[np.float64]
Values = Sequence[str] | Numbers

_UNITS_US = {"minutes": 60_000_000, "hours": 3_600_000_000}
_DECIMALS = 4
_UINT32_DIGITS = 9
# What RFC 4180 quotes, and what could be a formula in a second cell.
_SPECIAL = re.compile("[\",\r\n]|[;\t] *'*[=+\\-@]")


def report_values(
    store_ids: Sequence[str],
    zones: Sequence[str | None],
    measures: Measures,
    totals: OutageTotals | None,
    columns: Sequence[Column],
    names: Sequence[str | None] | None = None,
) -> Mapping[str, Values]:
    """Return one value per store in each column: times in the column's unit, text made safe for spreadsheets.

    Columns about outages need `totals`, and that of names needs `names`. A number that does not exist is not a number.
    """
    texts = {
        STORE_ID: lambda: all_inert(store_ids),
        TIMEZONE: lambda: all_inert([zone or DEFAULT_TIMEZONE for zone in zones]),
        NAME: lambda: all_inert([name or "" for name in names or [None] * len(store_ids)]),
    }
    units_us = {column.window_no: _UNITS_US[column.unit] for column in columns if column.unit in _UNITS_US}
    times: dict[int, dict[str, Numbers]] = {
        window_no: {
            **round_times(measures, window_no, unit_us),
            **(round_outages(totals, measures, window_no, unit_us) if totals else {}),
        }
        for window_no, unit_us in units_us.items()
    }
    values: dict[str, Values] = {}
    for column in columns:
        if column.unit == "text":
            values[column.name] = texts[column]()
        elif column.unit in _UNITS_US:
            # The float nearest to a number with four decimals prints as that number.
            values[column.name] = times[column.window_no][column.measure] / PER_UNIT
        else:
            source = totals if column.unit == "outages" else measures
            values[column.name] = getattr(source, column.measure)[:, column.window_no]
    return values


def render_csv(columns: Mapping[str, Values], *, header: bool) -> bytes:
    """Render RFC 4180 with LF line ends, in UTF-8, times with four decimals. The same columns give the same bytes.

    Equals the output of pandas' `to_csv`, 8 times faster: it computes the digits of all numbers at once, from integers.
    """
    names = [",".join(map(quote, columns)).encode()] if header else []
    fields = list(_render_fields(list(columns.values())))
    return b"".join(line + b"\n" for line in [*names, *map(b",".join, zip(*fields, strict=True))])


def _render_fields(columns: Sequence[Values]) -> Iterator[list[bytes]]:
    """Yield the lines of each text column, and of each run of adjacent number columns of one kind."""
    for kind, alike in groupby(columns, _kind_of):
        if kind == "text":
            yield from (render_texts(values) for values in alike if not isinstance(values, np.ndarray))
        else:
            yield _render_numbers(np.column_stack(list(alike)))


def _kind_of(values: Values) -> str:
    return values.dtype.kind if isinstance(values, np.ndarray) else "text"


def render_texts(texts: Sequence[str]) -> list[bytes]:
    """Render fields of text, quoted where necessary."""
    together = "\n".join(texts)
    if together.count("\n") >= len(texts) or any(special in together for special in '",\r;\t'):
        return [quote(text).encode() for text in texts]
    return together.encode().split(b"\n")


def quote(text: str) -> str:
    """Quote a field if RFC 4180 or a spreadsheet needs it."""
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _render_numbers(values: np.ndarray) -> list[bytes]:
    """Return the lines of a table of non-negative numbers: floats with decimals, integers without; nothing for NaN."""
    if not len(values):
        return []
    decimals = _DECIMALS if values.dtype.kind == "f" else 0
    rest = np.rint(values * 10**decimals)
    missing = np.isnan(rest)
    rest[missing] = 0
    digits = max(len(str(int(rest.max()))), decimals + 1)
    # Narrower integers divide faster.
    rest = rest.astype(np.uint32 if digits <= _UINT32_DIGITS else np.uint64)
    text = np.zeros((*values.shape, digits + (decimals > 0) + 1), dtype=np.uint8)
    text[:, :, -1] = ord(",")
    text[:, -1, -1] = ord("\n")
    if decimals:
        text[:, :, -2 - decimals] = ord(".")
    for place in range(digits):
        tens = rest // 10
        digit = rest - tens * 10 + ord("0")
        column = -2 - place - (place >= decimals > 0)
        text[:, :, column] = np.where(rest > 0, digit, 0) if place > decimals else digit
        rest = tens
    text[missing, :-1] = 0
    packed: bytes = text[text != 0].tobytes()
    return packed.split(b"\n")[:-1]
