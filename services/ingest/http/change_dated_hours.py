"""Removes the hours of one store that apply from a date on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.http.local_intervals import parse_start
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import DATED_HOURS
from shared.db.queries import queries

_ADJUST = queries("adjust")


def remove_dated_hours(
    database_url: str, store_id: str, effective_from: str, created_by: str, *, dry_run: bool = False
) -> StoreChange:
    """Remove the hours that apply from a date on. Raise `InvalidRequest`, and as `change_store` does."""
    start = parse_start(effective_from)
    missing: list[str] = []

    def remove_hours(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        held = [day for (day,) in conn.execute(_ADJUST["dated_hours_of_store"], {"store_key": store_key})]
        if start not in held:
            missing.append(_describe_missing(start, held))
        gone: dict[str, object] = {"store_key": store_key, "effective_from": start, "intervals": []}
        return change.merge_rows(DATED_HOURS, [], [gone])

    options = ChangeOptions(created_by, create=None, dry_run=dry_run)
    change = change_store(database_url, store_id, "hours", options, remove_hours)
    return replace(change, warnings=[*missing, *change.warnings])


def _describe_missing(start: date | None, held: Sequence[date]) -> str:
    known = f"it has hours from {', '.join(map(str, held))} on" if held else "it has no hours with a date"
    return f"the store has no hours from {start} on, so nothing was removed: {known}"
