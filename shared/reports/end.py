"""What a caller may do to an open or failed report: withdraw from it, cancel it, retry it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from psycopg import AsyncConnection

from shared.contracts import ComputeBatch, FinaliseReport, Wake
from shared.db.queries import queries
from shared.errors import ReportEnded, TooManyOpenReports
from shared.keys import EVERY_STORE, StoreScope
from shared.limits import NO_LIMITS, KeyLimits
from shared.reports.insert_report import count_open
from shared.reports.read import get_report, scope_json
from shared.webhooks.endpoints import unsubscribe

_SQL = queries("reports")


async def withdraw(
    conn: AsyncConnection,
    report_id: UUID,
    visible: StoreScope = EVERY_STORE,
    *,
    by: str,
    for_all: bool = False,
) -> bool:
    """End the interest of the key `by`, and cancel the report if no other key wants it. Return whether it is canceled.

    A key that never wanted the report changes nothing. `for_all` cancels the report even if other keys want it. Locks
    the report's row in the caller's transaction, so no key joins meanwhile. Raises `ReportNotFound` and `ReportEnded`.
    """
    who = {"id": report_id, "by": by, "scope": scope_json(visible)}
    if (await conn.execute(_SQL["lock_cancelable"], who)).rowcount == 1:
        await conn.execute(_SQL["withdraw"], who)
        wanted = await (await conn.execute(_SQL["is_wanted"], who)).fetchone()
        if wanted == (True,) and not for_all:
            await unsubscribe(conn, report_id, by)
            return False
    await cancel_report(conn, report_id, visible)
    return True


async def cancel_report(conn: AsyncConnection, report_id: UUID, visible: StoreScope = EVERY_STORE) -> None:
    """Cancel a report for every key, unless it has ended: this update races the one that finishes the report.

    Canceling a canceled report does nothing. Raises `ReportNotFound` and `ReportEnded`.
    """
    canceled = await conn.execute(_SQL["cancel_report"], {"id": report_id, "scope": scope_json(visible)})
    if canceled.rowcount == 0:
        report = await get_report(conn, report_id, visible)
        if report.state != "canceled":
            raise ReportEnded(
                f"report {report_id} has already ended ({report.state}): only a queued or running report can be canceled"
            )


async def retry_report(
    conn: AsyncConnection,
    report_id: UUID,
    visible: StoreScope = EVERY_STORE,
    *,
    republish_s: float,
    by: str | None = None,
    limits: KeyLimits = NO_LIMITS,
) -> Sequence[Wake]:
    """Give the open batches of a failed report all their claims again; return the messages to publish.

    Finished batches stay done. The key `by` wants the report from now on. The report counts towards the limit of the
    key that created it. Raises `ReportNotFound`, `TooManyOpenReports`, and `ReportEnded` if the report did not fail.
    """
    async with conn.transaction():
        reopened = await conn.execute(_SQL["reopen_report"], {"id": report_id, "scope": scope_json(visible)})
        if reopened.rowcount == 0:
            report = await get_report(conn, report_id, visible)
            raise ReportEnded(f"report {report_id} is {report.state}: only a failed report can be retried")
        ((line,),) = await reopened.fetchall()
        if (before := await count_open(conn, line) - 1) >= limits.open_reports:
            raise TooManyOpenReports(before, limits.open_reports)
        if by is not None:
            await conn.execute(_SQL["note_interest"], {"id": report_id, "created_by": by})
        revived = await conn.execute(
            _SQL["revive_batches"], {"id": report_id, "republish": timedelta(seconds=republish_s)}
        )
        wakes = [
            ComputeBatch(report_id=report_id, batch_no=batch_no) for (batch_no,) in await revived.fetchall()
        ]
        # Every batch was done: only the merge failed.
        if not wakes:
            await conn.execute(_SQL["start_report"], {"id": report_id})
    return wakes or [FinaliseReport(report_id=report_id)]
