"""Accepting a report: one transaction fixes as_of, the data cut, the stores and the batches."""

from datetime import datetime, timedelta
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel

from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.ids import new_id
from shared.reports.model import ReportRequest
from shared.uptime.policy import POLICY_VERSION

_SQL = queries("reports")


async def trigger_report(
    conn: AsyncConnection, request: ReportRequest, *, batch_stores: int, republish_s: float
) -> tuple[UUID, list[ComputeBatch]]:
    """Write the report and its batches and commit; returns its id and the messages to publish.

    `conn` must be outside a transaction. Nobody need publish: the scheduler does it for what is unclaimed after
    `republish_s` seconds.
    """
    report_id = new_id()
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            given = isinstance(request.as_of, datetime)
            cursor = await conn.execute(
                _SQL["resolve_cut"],
                {
                    "as_of_mode": "given" if given else request.as_of,
                    "as_of": request.as_of if given else None,
                },
            )
            row = await cursor.fetchone()
            assert row is not None  # noqa: S101 - the ledger's one row is made by the first migration
            parameters = {
                "id": report_id,
                "data_cut": row[0],
                "as_of": row[1],
                "policy": request.policy,
                "policy_version": POLICY_VERSION,
                "detail": request.detail,
                "created_by": request.created_by,
                "batch_stores": batch_stores,
                "republish": timedelta(seconds=republish_s),
            }
            await conn.execute(_SQL["insert_report"], parameters)
            await conn.execute(_SQL["insert_batches"], parameters)
            await conn.execute(_SQL["insert_empty_batch"], parameters)
            cursor = await conn.execute(_SQL["count_batches"], {"id": report_id})
            counted = await cursor.fetchone()
            batches = counted[0] if counted else 0
    finally:
        await conn.set_isolation_level(None)
    return report_id, [ComputeBatch(report_id=report_id, batch_no=n) for n in range(batches)]
