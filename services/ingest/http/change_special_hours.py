"""Replaces or removes the special hours of one store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.http.special_dates import LocalDate, parse_special_dates, warn_of_dates
from services.ingest.parse.dates import parse_date
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import SPECIAL_HOURS
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS
from shared.texts import quoted

_ADJUST = queries("adjust")


def replace_special_hours(
    database_url: str,
    store_id: str,
    dates: Sequence[LocalDate],
    options: ChangeOptions,
) -> StoreChange:
    """Replace all special hours of a store. Raise `InvalidRequest`, and as `change_store` does."""
    parsed = parse_special_dates(dates)

    def write_dates(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        rows = [{"store_key": store_key, "date": day, "intervals": flat} for day, flat in parsed.items()]
        held = conn.execute(_ADJUST["special_dates_of_store"], {"store_key": store_key, "date": None})
        gone = [_closed_date(store_key, day) for (day,) in held if day not in parsed]
        return change.merge_rows(SPECIAL_HOURS, rows, gone)

    change = change_store(database_url, store_id, "special_hours", options, write_dates)
    return replace(change, warnings=[*warn_of_dates(dates), *change.warnings])


def remove_special_hours(
    database_url: str, store_id: str, day: str | None, created_by: str, *, dry_run: bool = False
) -> StoreChange:
    """Remove the special hours of one date, or of all dates. Raise `InvalidRequest`, and as `change_store` does."""
    chosen = parse_date(day) if day is not None else None
    if day is not None and chosen is None:
        raise InvalidRequest(f"{quoted(day)}: {ROW_REASONS['date']}", field="date")

    def remove_dates(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        held = conn.execute(_ADJUST["special_dates_of_store"], {"store_key": store_key, "date": chosen})
        gone = [_closed_date(store_key, day) for (day,) in held]
        return change.merge_rows(SPECIAL_HOURS, [], gone)

    options = ChangeOptions(created_by, create=None, dry_run=dry_run)
    return change_store(database_url, store_id, "special_hours", options, remove_dates)


def _closed_date(store_key: int, day: date) -> Mapping[str, object]:
    return {"store_key": store_key, "date": day, "intervals": []}
