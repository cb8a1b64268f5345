"""What a caller may do to a report that is under way, or that failed: cancel it, try it again."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from psycopg import AsyncConnection

from shared.contracts import ComputeBatch, FinaliseReport, Wake
from shared.db.queries import queries
from shared.errors import ReportEnded
from shared.keys import EVERY_STORE, StoreScope
from shared.reports.read import get_report, scope_json

_SQL = queries("reports")


async def cancel_report(conn: AsyncConnection, report_id: UUID, visible: StoreScope = EVERY_STORE) -> None:
    """Cancel, unless the report has ended: the one update wins or loses against the one that finishes it.

    Canceling twice is the same as once. Raises `ReportNotFound` and `ReportEnded`.
    """
    canceled = await conn.execute(_SQL["cancel_report"], {"id": report_id, "scope": scope_json(visible)})
    if canceled.rowcount == 0:
        report = await get_report(conn, report_id, visible)
        if report.state != "canceled":
            raise ReportEnded(f"report {report_id} is {report.state}: there is nothing left to cancel")


async def retry_report(
    conn: AsyncConnection, report_id: UUID, visible: StoreScope = EVERY_STORE, *, republish_s: float
) -> Sequence[Wake]:
    """Give a failed report's open batches all their attempts again; returns the messages to publish.

    What was done stays done. Raises `ReportNotFound` and `ReportEnded` for a report that did not fail.
    """
    async with conn.transaction():
        reopened = await conn.execute(_SQL["reopen_report"], {"id": report_id, "scope": scope_json(visible)})
        if reopened.rowcount == 0:
            report = await get_report(conn, report_id, visible)
            raise ReportEnded(f"report {report_id} is {report.state}: only a failed one can be tried again")
        revived = await conn.execute(
            _SQL["revive_batches"], {"id": report_id, "republish": timedelta(seconds=republish_s)}
        )
        wakes = [
            ComputeBatch(report_id=report_id, batch_no=batch_no) for (batch_no,) in await revived.fetchall()
        ]
        if not wakes:  # every batch was done: only the merge failed
            await conn.execute(_SQL["start_report"], {"id": report_id})
    return wakes or [FinaliseReport(report_id=report_id)]
