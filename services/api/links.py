"""The audit of links: who was given links to which report. A row an hour, not one for each look at a finished report."""

import time
from collections import OrderedDict
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from shared.audit import record_async
from shared.db.connect import borrowed_async
from shared.keys import ApiKey
from shared.reports.model import Report

_NOTED_FOR_S = 3600.0
MOST_NOTED = 10_000  # what is forgotten is noted again


class LinkAudit:
    """What this process has noted lately."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._noted: OrderedDict[tuple[str, UUID], float] = OrderedDict()

    async def note(self, key: ApiKey, report: Report) -> None:
        """Write a row before the links are given, unless one was written lately. Raises `DatabaseUnavailable`."""
        subject, now_s = (key.prefix, report.id), time.monotonic()
        if report.state != "succeeded" or self._noted.get(subject, -_NOTED_FOR_S) > now_s - _NOTED_FOR_S:
            return
        async with borrowed_async(self._pool) as conn:
            await record_async(conn, key.prefix, "report.linked", str(report.id))
        self._noted.pop(subject, None)
        self._noted[subject] = now_s
        if len(self._noted) > MOST_NOTED:
            self._noted.popitem(last=False)
