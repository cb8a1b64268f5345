"""The rows of the three files as text columns; knows the stores and the formats, but no file."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from services.sample.draws import Draws
from services.sample.fleet import NONE, ZONES, Fleet
from services.sample.weeks import WEEKS

_HOURS_STORES: Final = 20_000  # stores of one frame of the hours file


def status_table(fleet: Fleet, rows: pl.DataFrame) -> pl.DataFrame:
    """Text of the poll file from rows of (store, is_active, at_us); trailing zeros of a second's fraction go."""
    instant = pl.from_epoch("at_us", time_unit="us").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    return rows.select(
        fleet.store_ids.gather(rows["store"]).alias("store_id"),
        pl.when("is_active").then(pl.lit("active")).otherwise(pl.lit("inactive")).alias("status"),
        (instant.str.strip_chars_end("0").str.strip_chars_end(".") + " UTC").alias("timestamp_utc"),
    )


def hours_tables(fleet: Fleet, draws: Draws) -> Iterator[pl.DataFrame]:
    """Text of the hours file, bounded numbers of stores at a time; the rows of a store are not together."""
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
    """Text of the zones file, zone by zone as real ones are."""
    zoned = np.flatnonzero(fleet.zone != NONE)
    zoned = zoned[np.argsort(fleet.zone[zoned], kind="stable")]
    names = pl.Series(list(ZONES), dtype=pl.String)
    return pl.DataFrame(
        {"store_id": fleet.store_ids.gather(zoned), "timezone_str": names.gather(fleet.zone[zoned])}
    )
