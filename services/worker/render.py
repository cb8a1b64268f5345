"""Measures to the report's columns and bytes, with pandas. Knows no database and no storage."""

from collections.abc import Sequence

import pandas as pd

from services.worker.columns import STORE_ID, TIMEZONE, Column
from shared.formulas import inert
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.zones import DEFAULT_TIMEZONE

_UNITS_US = {"minutes": 60_000_000, "hours": 3_600_000_000}
_DECIMALS = 4


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
    """RFC 4180 with LF line ends, UTF-8, numbers with four decimals. The same frame gives the same bytes."""
    text: str = frame.to_csv(index=False, header=header, float_format=f"%.{_DECIMALS}f", lineterminator="\n")
    return text.encode()


def _decimal(values_us: Int64s, unit_us: int) -> pd.Series:
    """Round half up to four decimals in integers; the float nearest to such a number prints as that number."""
    scale = 10**_DECIMALS
    return pd.Series((values_us * scale + unit_us // 2) // unit_us / scale)
