"""Add up the parts of a summary with pandas. Sums are Python's integers, which have no bound: fleets times years."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from services.worker.summary.ranks import rank_places
from services.worker.summary.sections import (
    DAYS,
    KEYS,
    LABEL_PREFIX,
    MAX_VALUES,
    NUMBERS,
    PART_COLUMNS,
    RANKED,
)
from shared.uptime.week_hours import WEEK_HOURS

_NUMBERS, _KEYS = list(NUMBERS), list(KEYS)


def read_part_rows(data: bytes, *, header: bool) -> pd.DataFrame:
    """Return the rows of a part, with its numbers as Python's integers."""
    rows = pd.read_csv(
        io.BytesIO(data),
        names=list(PART_COLUMNS),
        skiprows=int(header),
        dtype=str,
        keep_default_na=False,
        encoding="utf-8",
    )
    return rows[_KEYS].assign(**{name: pd.Series(map(int, rows[name]), dtype=object) for name in NUMBERS})


def add_up_parts(parts: Sequence[pd.DataFrame], windows: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of the file in their order: the columns of a part, for all stores."""
    rows = pd.concat(parts, ignore_index=True)
    sums = rows.groupby(_KEYS, sort=False, as_index=False)[_NUMBERS].sum()
    sections = [some for name in windows for some in _order_sections(sums[sums["window"] == name])]
    return [
        {str(name): value for name, value in row.items()} for row in pd.concat(sections).to_dict("records")
    ]


def _order_sections(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the sections of one window."""
    total, hours = _section(rows, "all"), _section(rows, "hour")
    yield total
    yield _open_ones(_section(rows, "zone").sort_values("group"))
    for name in sorted({each for each in rows["section"] if each.startswith(LABEL_PREFIX)}):
        values = _section(rows, name).sort_values("group")
        if len(values) <= MAX_VALUES:
            yield _open_ones(pd.concat([_without_label(total, values), values]))
    hours = hours.assign(number=hours["group"].astype(int)).sort_values("number")
    yield _add_up_days(hours)
    yield hours.assign(group=[f"{DAYS[n // 24]} {n % 24:02}:00" for n in range(WEEK_HOURS)])[
        list(PART_COLUMNS)
    ]
    for section in ("lowest", "highest"):
        candidates = _section(rows, section)
        up_us, down_us = (np.array(candidates[name], dtype=np.int64) for name in ("up_us", "down_us"))
        yield candidates.iloc[rank_places(up_us, down_us)[section][:RANKED]]


def _section(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows[rows["section"] == name]


def _open_ones(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the groups that have stores with opening hours in the window or in the one before."""
    return rows[(rows["stores"] > 0) | (rows["previous_stores"] > 0)]


def _without_label(total: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the stores that have none of the values."""
    rest = total[_NUMBERS].iloc[0] - values[_NUMBERS].sum()
    return total.assign(section=values["section"].iloc[0], **{name: rest[name] for name in NUMBERS})


def _add_up_days(hours: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each weekday from those of its hours."""
    sums = hours.groupby(hours["number"] // 24)[_NUMBERS].sum()
    return sums.assign(window=hours["window"].iloc[0], section="weekday", group=list(DAYS))[
        list(PART_COLUMNS)
    ]
