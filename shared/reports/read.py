"""Reading a report, for callers that wait for it."""

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.db.queries import queries
from shared.errors import ReportNotFound
from shared.reports.model import Report

_SQL = queries("reports")


async def get_report(conn: AsyncConnection, report_id: UUID) -> Report:
    """Return the report with its progress. Raises `ReportNotFound`."""
    async with conn.cursor(row_factory=class_row(Report)) as cursor:
        await cursor.execute(_SQL["get_report"], {"id": report_id})
        report = await cursor.fetchone()
    if report is None:
        raise ReportNotFound(f"there is no report {report_id}")
    return report
