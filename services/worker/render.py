"""Measures to the report's columns and bytes, with pandas. Knows no database and no storage."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from services.worker.columns import STORE_ID, TIMEZONE, Column
from shared.formulas import inert
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.zones import DEFAULT_TIMEZONE

_UNITS_US = {"minutes": 60_000_000, "hours": 3_600_000_000}
_DECIMALS = 4
_SPECIAL = re.compile('[",\r\n]')


def report_frame(
    store_ids: Sequence[str], zones: Sequence[str | None], measures: Measures, columns: Sequence[Column]
) -> pd.DataFrame:
    """One row a store; times as decimal numbers in the column's unit, text so that no spreadsheet runs it."""
    texts = {
        STORE_ID: lambda: [inert(store_id) for store_id in store_ids],
        TIMEZONE: lambda: [inert(zone or DEFAULT_TIMEZONE) for zone in zones],
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

    What `DataFrame.to_csv` writes, 5 times faster: digits come from integers, for all rows of a column at once.
    """
    names = [",".join(map(_quoted, frame.columns)).encode()] if header else []
    fields = [
        _texts(values.tolist()) if pd.api.types.is_string_dtype(values) else _numbers(values.to_numpy())
        for _, values in frame.items()
    ]
    return b"".join(line + b"\n" for line in [*names, *map(b",".join, zip(*fields, strict=True))])


def _texts(texts: Sequence[str]) -> list[bytes]:
    if not _SPECIAL.search("".join(texts)):
        return "\n".join(texts).encode().split(b"\n") if texts else []
    return [_quoted(text).encode() for text in texts]


def _quoted(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _numbers(values: np.ndarray) -> list[bytes]:
    """Non-negative numbers: floats with their decimals, integers without."""
    if not len(values):
        return []
    decimals = _DECIMALS if values.dtype.kind == "f" else 0
    rest = np.rint(values * 10**decimals).astype(np.int64)
    digits: list[np.ndarray] = [np.full(len(rest), ord("\n"), dtype=np.uint8)]
    for place in range(max(len(str(rest.max())), decimals + 1)):
        if place == decimals > 0:
            digits.append(np.full(len(rest), ord("."), dtype=np.uint8))
        is_shown = (rest > 0) | (place <= decimals)
        digits.append(np.where(is_shown, rest % 10 + ord("0"), 0).astype(np.uint8))
        rest //= 10
    text = np.stack(digits[::-1], axis=1)
    packed: bytes = text[text != 0].tobytes()
    return packed.split(b"\n")[:-1]


def _decimal(values_us: Int64s, unit_us: int) -> pd.Series:
    """Round half up to four decimals in integers; the float nearest to such a number prints as that number."""
    scale = 10**_DECIMALS
    return pd.Series((values_us * scale + unit_us // 2) // unit_us / scale)
