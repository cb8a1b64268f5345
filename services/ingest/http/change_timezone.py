"""Sets the time zone of one store."""

from dataclasses import replace

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.parse.zones import find_zone
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS
from shared.texts import quoted

_SQL = queries("live")


def replace_timezone(
    database_url: str,
    store_id: str,
    timezone: str,
    options: ChangeOptions,
) -> StoreChange:
    """Set the time zone. Raise as `change_store` does."""
    zone = find_zone(timezone)
    if isinstance(zone, str):
        raise InvalidRequest(f"{quoted(timezone)}: {ROW_REASONS[zone]}", field="body.timezone")
    name = zone.name

    def write_timezone(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        values = {"store_key": store_key, "timezone": name, "seq": change.seq}
        ((before,),) = conn.execute(_SQL["replace_timezone"], values)
        change.weekly_changed = before != name
        return RowCounts(int(before is None), int(before == name), int(before not in {None, name}))

    change = change_store(database_url, store_id, "timezones", options, write_timezone)
    return replace(change, warnings=[*zone.warnings, *change.warnings])
