"""Replaces the labels of one store."""

from collections.abc import Mapping

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.http.change_store import ChangeOptions, StoreChange, change_store
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from shared.db.queries import queries

_SQL = queries("live")


def replace_labels(
    database_url: str,
    store_id: str,
    labels: Mapping[str, str],
    options: ChangeOptions,
) -> StoreChange:
    """Replace all labels by these valid ones. A label that goes counts as corrected. Raise as `change_store` does."""

    def write_labels(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        values = {"store_key": store_key, "labels": Jsonb(dict(labels)), "seq": change.seq}
        ((before,),) = conn.execute(_SQL["replace_labels"], values)
        same = sum(before.get(name) == value for name, value in labels.items())
        known = sum(name in before for name in labels)
        gone = len(before) - known
        change.weekly_changed = before != dict(labels)
        return RowCounts(accepted=len(labels) - known, duplicate=same, corrected=known - same + gone)

    return change_store(database_url, store_id, "labels", options, write_labels)
