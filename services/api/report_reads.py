"""Read reports for many callers at the same time: callers that arrive during a query share the next one.

A round trip to the database costs a process more than the rest of a status poll.
"""

import asyncio
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from shared.db.connect import autocommitting_async
from shared.errors import ReportNotFound
from shared.keys import StoreScope
from shared.reports.model import Report
from shared.reports.read import get_reports

_Labels = tuple[tuple[str, str], ...] | None  # the labels of a scope, hashable


class ReportReads:
    """The shared queries of one process, one at a time. Each sees what was committed before it was requested."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._requested: dict[tuple[UUID, _Labels], asyncio.Future[Report | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def read_report(self, report_id: UUID, visible: StoreScope) -> Report:
        """Return the report. Raises `ReportNotFound`, `DatabaseUnavailable`, `StatementTimedOut`."""
        requested = (report_id, None if visible.labels is None else tuple(sorted(visible.labels.items())))
        answer = self._requested.get(requested)
        if answer is None:
            answer = self._requested[requested] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run_queries())
        report = await asyncio.shield(answer)  # other callers may wait for it too
        if report is None:
            raise ReportNotFound(
                f"report {report_id} does not exist, or its stores are not visible to this key: check the id"
            )
        return report

    async def _run_queries(self) -> None:
        """Query until no caller waits."""
        while self._requested:
            requested, self._requested = self._requested, {}
            scopes = [StoreScope(None if labels is None else dict(labels)) for _, labels in requested]
            try:
                async with autocommitting_async(self._pool) as conn:
                    found = await get_reports(conn, [report_id for report_id, _ in requested], scopes)
            except Exception as error:  # noqa: BLE001  each caller gets it
                for answer in requested.values():
                    answer.set_exception(error)
                    answer.exception()  # retrieve it: asyncio logs exceptions that no caller waits for
            else:
                for answer, report in zip(requested.values(), found, strict=True):
                    answer.set_result(report)
        self._running = None
