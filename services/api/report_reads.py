"""Reading reports for many callers at once: those who come while a look is under way share the next one.

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

_Labels = tuple[tuple[str, str], ...] | None  # of a scope, so that equal ones are one


class ReportLooks:
    """The looks of one process, one at a time. Each sees what was committed before it was asked for."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._asked: dict[tuple[UUID, _Labels], asyncio.Future[Report | None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def report(self, report_id: UUID, visible: StoreScope) -> Report:
        """The report. Raises `ReportNotFound`, `DatabaseUnavailable`, `StatementTimedOut`."""
        asked = (report_id, None if visible.labels is None else tuple(sorted(visible.labels.items())))
        answer = self._asked.get(asked)
        if answer is None:
            answer = self._asked[asked] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        report = await asyncio.shield(answer)  # others may wait for it too
        if report is None:
            raise ReportNotFound(
                f"report {report_id} does not exist, or its stores are not visible to this key: check the id"
            )
        return report

    async def _look(self) -> None:
        """Until nobody asks."""
        while self._asked:
            asked, self._asked = self._asked, {}
            scopes = [StoreScope(None if labels is None else dict(labels)) for _, labels in asked]
            try:
                async with autocommitting_async(self._pool) as conn:
                    found = await get_reports(conn, [report_id for report_id, _ in asked], scopes)
            except Exception as error:  # noqa: BLE001  each caller gets it
                for answer in asked.values():
                    answer.set_exception(error)
                    answer.exception()  # or asyncio would complain where the callers have left
            else:
                for answer, report in zip(asked.values(), found, strict=True):
                    answer.set_result(report)
        self._looking = None
