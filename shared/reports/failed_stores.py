"""Record the stores that a report was made without, by batch."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

from shared.db.queries import queries
from shared.reports.model import StoreFailure

_SQL = queries("reports")


def record_failed_stores(
    conn: psycopg.Connection, report_id: UUID, batch_no: int, failed: Sequence[StoreFailure]
) -> None:
    """Replace what is recorded of a batch, in the transaction that records its part."""
    batch = {"report_id": report_id, "batch_no": batch_no}
    conn.execute(_SQL["forget_failed_stores"], batch)
    if failed:
        conn.execute(
            _SQL["insert_failed_stores"],
            {
                **batch,
                "store_ids": [store.store_id for store in failed],
                "reasons": [store.reason for store in failed],
                "details": [store.detail for store in failed],
            },
        )
