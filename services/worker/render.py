"""Measures to the report's columns and bytes, with pandas. Knows no database and no storage."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from services.worker.columns import STORE_ID, TIMEZONE, Column
from shared.formulas import all_inert
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.zones import DEFAULT_TIMEZONE

_UNITS_US = {"minutes": 60_000_000, "hours": 3_600_000_000}
_DECIMALS = 4
_UINT32_DIGITS = 9
_SPECIAL = re.compile(
    "[\",\r\n]|[;\t] *'*[=+\\-@]"
)  # by RFC 4180; and what would be a formula in a second cell


def report_frame(
    store_ids: Sequence[str], zones: Sequence[str | None], measures: Measures, columns: Sequence[Column]
) -> pd.DataFrame:
    """One row a store; times as decimal numbers in the column's unit, text so that no spreadsheet runs it."""
    texts = {
        STORE_ID: lambda: all_inert(store_ids),
        TIMEZONE: lambda: all_inert([zone or DEFAULT_TIMEZONE for zone in zones]),
    }
    values: dict[str, object] = {}
    for column in columns:
        if column.unit == "text":
            values[column.name] = texts[column]()
        else:
            measured: Int64s = getattr(measures, column.measure)[:, column.window_no]
            is_time = column.unit in _UNITS_US
            values[column.name] = _decimal(measured, _UNITS_US[column.unit]) if is_time else measured
    return pd.DataFrame(values)


def render_csv(frame: pd.DataFrame, *, header: bool) -> bytes:
    """RFC 4180 with LF line ends, UTF-8, numbers with four decimals. The same frame gives the same bytes.

    What `DataFrame.to_csv` writes, 8 times faster: digits come from integers, for all numbers side by side at once.
    """
    names = [",".join(map(_quoted, frame.columns)).encode()] if header else []
    fields = [
        _texts(frame[columns[0]].tolist()) if is_text else _numbers(frame[columns].to_numpy())
        for is_text, columns in _side_by_side(frame)
    ]
    return b"".join(line + b"\n" for line in [*names, *map(b",".join, zip(*fields, strict=True))])


def _side_by_side(frame: pd.DataFrame) -> Iterator[tuple[bool, list[str]]]:
    """Whether it is text, and its name, of each such column; the names of numbers of one kind together."""
    for dtype, columns in groupby(frame.columns, lambda name: frame.dtypes[name]):
        if pd.api.types.is_string_dtype(dtype):
            yield from ((True, [name]) for name in columns)
        else:
            yield False, list(columns)


def _texts(texts: Sequence[str]) -> list[bytes]:
    together = "\n".join(texts)
    if together.count("\n") >= len(texts) or any(special in together for special in '",\r;\t'):
        return [_quoted(text).encode() for text in texts]
    return together.encode().split(b"\n")


def _quoted(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _numbers(values: np.ndarray) -> list[bytes]:
    """The lines of a table of non-negative numbers: floats with their decimals, integers without."""
    if not len(values):
        return []
    decimals = _DECIMALS if values.dtype.kind == "f" else 0
    rest = np.rint(values * 10**decimals)
    digits = max(len(str(int(rest.max()))), decimals + 1)
    rest = rest.astype(np.uint32 if digits <= _UINT32_DIGITS else np.uint64)  # the narrower divide faster
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
    packed: bytes = text[text != 0].tobytes()
    return packed.split(b"\n")[:-1]


def _decimal(values_us: Int64s, unit_us: int) -> pd.Series:
    """Round half up to four decimals in integers; the float nearest to such a number prints as that number."""
    scale = 10**_DECIMALS
    return pd.Series((values_us * scale + unit_us // 2) // unit_us / scale)
