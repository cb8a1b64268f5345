"""Sets when one store begins and ceases to exist."""

import psycopg

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.parse.adjustments import parse_lifetime
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import LIFETIMES
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS


def replace_lifetime(
    database_url: str,
    store_id: str,
    opened_at: str | None,
    closed_at: str | None,
    options: ChangeOptions,
) -> StoreChange:
    """Set when a store begins and ceases to exist. Raise `InvalidRequest`, and as `change_store` does."""
    parsed = parse_lifetime(opened_at or "", closed_at or "")
    if isinstance(parsed, str):
        raise InvalidRequest(ROW_REASONS[parsed], field="closed_at" if parsed == "lifetime_order" else parsed)
    instants = {"opened_at": parsed["begins"], "closed_at": parsed["ends"]}

    def write_lifetime(_: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        return change.merge_rows(LIFETIMES, [{"store_key": store_key, **instants}])

    return change_store(database_url, store_id, "lifetimes", options, write_lifetime)
