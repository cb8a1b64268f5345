"""Format the rows of the three files as text columns. Must not know files."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from services.sample.draws import Draws
from services.sample.fleet import NONE, ZONES, Fleet
from services.sample.weeks import WEEKS

# Stores per frame of the hours file.
_HOURS_STORES: Final = 20_000


def status_table(fleet: Fleet, rows: pl.DataFrame) -> pl.DataFrame:
    """Format polls (store, is_active, at_us), without trailing zeros in the fractions of a second."""
    instant = pl.from_epoch("at_us", time_unit="us").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    return rows.select(
        fleet.store_ids.gather(rows["store"]).alias("store_id"),
        pl.when("is_active").then(pl.lit("active")).otherwise(pl.lit("inactive")).alias("status"),
        (instant.str.strip_chars_end("0").str.strip_chars_end(".") + " UTC").alias("timestamp_utc"),
    )


def hours_tables(fleet: Fleet, draws: Draws) -> Iterator[pl.DataFrame]:
    """Yield the rows of the hours file for a limited number of stores at a time. A store's rows are not adjacent."""
    weeks = pl.DataFrame(
        [
            (number, row.day_of_week, row.opens, row.closes)
            for number, week in enumerate(WEEKS)
            for row in week.rows()
        ],
        schema=["week", "dayOfWeek", "start_time_local", "end_time_local"],
        orient="row",
    )
    stores = pl.DataFrame({"store_id": fleet.store_ids, "week": fleet.week}).filter(pl.col("week") != NONE)
    for part in stores.iter_slices(_HOURS_STORES):
        rows = part.join(weeks, on="week", maintain_order="left_right").drop("week")
        yield rows[draws.ranks("hours row", len(rows))].sort(
            "end_time_local", "start_time_local", maintain_order=True
        )


def zones_table(fleet: Fleet) -> pl.DataFrame:
    """Format the zones file, sorted by zone as real ones are."""
    zoned = np.flatnonzero(fleet.zone != NONE)
    zoned = zoned[np.argsort(fleet.zone[zoned], kind="stable")]
    names = pl.Series(list(ZONES), dtype=pl.String)
    return pl.DataFrame(
        {"store_id": fleet.store_ids.gather(zoned), "timezone_str": names.gather(fleet.zone[zoned])}
    )
