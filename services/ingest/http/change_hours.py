"""Replaces the weekly hours of one store, without a date or from a date on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.http.local_intervals import LocalInterval, parse_interval, parse_start, warn_of_hours
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import DATED_HOURS
from shared.db.queries import queries
from shared.errors import LimitReached
from shared.store_limits import MAX_DATED_HOURS

_SQL, _ADJUST = queries("live"), queries("adjust")


def replace_hours(
    database_url: str,
    store_id: str,
    intervals: Sequence[LocalInterval],
    options: ChangeOptions,
    *,
    effective_from: str | None = None,
) -> StoreChange:
    """Replace the hours that apply from a date on, or those without a date. Without intervals the store is open 24x7.

    If hours without a date are removed and the store has dated ones, it has the first of these also before their date. Raise as `change_store` does.
    """
    start = parse_start(effective_from)
    parsed = [parse_interval(index, interval) for index, interval in enumerate(intervals)]
    days, opens, closes = ([fields[column] for fields in parsed] for column in range(3))

    counts_as = ["the store counts as open 24x7" + (f" from {start} on" if start else "")]

    def write_hours(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        if start is not None:
            _refuse_many(conn, store_key, start)
            flat = [number for row in sorted(set(parsed)) for number in row]
            row = {"store_key": store_key, "effective_from": start, "intervals": flat}
            return change.merge_rows(DATED_HOURS, [row])
        if held := [
            day for (day,) in conn.execute(_ADJUST["dated_hours_of_store"], {"store_key": store_key})
        ]:
            counts_as[:] = [f"the store has its hours from {held[0]} on also before that date"]
        values = {"store_key": store_key, "days": days, "opens": opens, "closes": closes, "seq": change.seq}
        ((added, gone),) = conn.execute(_SQL["replace_hours"], values)
        change.weekly_changed = added + gone > 0
        # A call that only takes hours away has changed something too.
        return RowCounts(accepted=added, duplicate=len(parsed) - added, corrected=0 if added else gone)

    change = change_store(database_url, store_id, "hours", options, write_hours)
    return replace(change, warnings=[*warn_of_hours(intervals, parsed, *counts_as), *change.warnings])


def _refuse_many(conn: psycopg.Connection, store_key: int, start: date) -> None:
    held = [day for (day,) in conn.execute(_ADJUST["dated_hours_of_store"], {"store_key": store_key})]
    if len(held) >= MAX_DATED_HOURS and start not in held:
        raise LimitReached(
            f"the store has hours from {MAX_DATED_HOURS:,} dates, the most that there can be: remove some that are long past"
            " (DELETE with effective_from)"
        )
