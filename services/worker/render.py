"""Measures to the report's columns and bytes, with pandas. Knows no database and no storage."""

from collections.abc import Sequence

import pandas as pd

from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.window import Window
from shared.uptime.zones import DEFAULT_TIMEZONE

_HOUR_US = 3_600_000_000
_MINUTE_US = 60_000_000
_DECIMALS = 4
_MAY_START_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report_frame(
    store_ids: Sequence[str],
    zones: Sequence[str | None],
    measures: Measures,
    windows: Sequence[Window],
    *,
    detail: bool,
) -> pd.DataFrame:
    """One row a store: uptime of every window, then downtime; with `detail` also what is not known and the bounds.

    Windows of up to an hour are in minutes, longer ones in hours.
    """
    columns: dict[str, object] = {"store_id": [_inert(store_id) for store_id in store_ids]}
    shown = {"uptime": measures.up_us, "downtime": measures.down_us}
    if detail:
        shown |= {
            "unknown": measures.unknown_us,
            "uptime_min": measures.up_min_us,
            "uptime_max": measures.up_max_us,
        }
    for label, values_us in shown.items():
        for index, window in enumerate(windows):
            unit_us = _MINUTE_US if window.length_us <= _HOUR_US else _HOUR_US
            columns[f"{label}_{window.name}"] = _decimal(values_us[:, index], unit_us)
    if detail:
        for index, window in enumerate(windows):
            columns[f"polls_{window.name}"] = measures.polls[:, index]
        columns["timezone"] = [zone or DEFAULT_TIMEZONE for zone in zones]
    return pd.DataFrame(columns)


def render_csv(frame: pd.DataFrame, *, header: bool) -> bytes:
    """RFC 4180 with LF line ends, UTF-8, numbers with four decimals. The same frame gives the same bytes."""
    text: str = frame.to_csv(index=False, header=header, float_format=f"%.{_DECIMALS}f", lineterminator="\n")
    return text.encode()


def _decimal(values_us: Int64s, unit_us: int) -> pd.Series:
    """Round half up to four decimals in integers; the float nearest to such a number prints as that number."""
    scale = 10**_DECIMALS
    return pd.Series((values_us * scale + unit_us // 2) // unit_us / scale)


def _inert(text: str) -> str:
    """Keep a spreadsheet from taking an id for a formula."""
    return f"'{text}" if text.startswith(_MAY_START_A_FORMULA) else text
