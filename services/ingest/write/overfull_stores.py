"""Finds the stores that a delivery of hours would give more than a store may have. See `shared/store_limits.py`."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
import psycopg

from services.ingest.write.hours_values import WEEKLY_MASK, dates
from services.ingest.write.packed_rows import StagedFile
from shared.db.arrays import text_array
from shared.db.queries import queries
from shared.store_limits import MAX_DATED_HOURS, MAX_INTERVALS_A_WEEK

_SQL = queries("adjust")
# A code of `ROW_REASONS`.
TOO_MANY: Final = "too_many"
_WEEK: Final = ("store", "date")


def find_overfull(conn: psycopg.Connection, files: Sequence[StagedFile]) -> list[str]:
    """Return the ids of stores with too many intervals in a week, or with hours from too many dates.

    Most files have no date and few rows of each store, so that counting these is all there is to do.
    """
    is_dated = any(int(file.value.max(initial=0)) > WEEKLY_MASK << 1 for file in files)
    most = sum(int(np.bincount(file.store).max(initial=0)) for file in files)
    if not is_dated and most <= MAX_INTERVALS_A_WEEK:
        return []
    ids = pl.concat([file.ids for file in files]).unique().sort()
    rows = pl.concat([_list_rows(file, ids) for file in files])
    crowded = rows.filter(pl.len().over(_WEEK) > MAX_INTERVALS_A_WEEK).unique().group_by(_WEEK).len()
    found = set(crowded.filter(pl.col("len") > MAX_INTERVALS_A_WEEK)["store"])
    dated = rows.filter(pl.col("date") > 0).select(_WEEK).unique()
    return [*ids.gather(sorted(found)), *_find_over_dated(conn, ids, dated)]


def _list_rows(file: StagedFile, ids: pl.Series) -> pl.DataFrame:
    """Return the store, date and week of each row. A store is its place in `ids`, which are sorted."""
    place = ids.search_sorted(file.ids).to_numpy().astype(np.int32)
    columns = {"store": place[file.store], "date": dates(file.value).astype(np.int32)}
    return pl.DataFrame({**columns, "week": file.value & WEEKLY_MASK})


def _find_over_dated(conn: psycopg.Connection, ids: pl.Series, dated: pl.DataFrame) -> Iterator[str]:
    """Yield the stores that would have hours from too many dates, with those that they have."""
    counts = dated.group_by("store").len()
    named = ids.gather(counts["store"]).to_list()
    given = {"ids": text_array(named), "counts": counts["len"].to_list(), "most": MAX_DATED_HOURS}
    for place, held in conn.execute(_SQL["many_dated_hours"], given) if named else ():
        new = dated.filter(pl.col("store") == counts["store"][place - 1])["date"]
        if len({*new, *held}) > MAX_DATED_HOURS:
            yield named[place - 1]
