"""What routes of jobs besides reports share: a job is accepted, shown with its progress, and canceled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Response
from psycopg import AsyncConnection

from services.api.context import ApiContext
from services.api.routes.reports import NO_STORE
from shared.audit import record_async
from shared.db.connect import autocommitting_async, borrowed_async
from shared.reports.acceptance import Accepted


class ShownJob(Protocol):
    """The body of a job."""

    @property
    def id(self) -> UUID: ...
    @property
    def state(self) -> str: ...


Body = TypeVar("Body", bound=ShownJob)


@dataclass(frozen=True)
class JobRoutes(Generic[Body]):
    """A kind of job: its `path`, the beginning of its names in the audit, and how to show and cancel one."""

    path: str
    audited_as: str
    show: Callable[[AsyncConnection, UUID], Awaitable[Body]]
    cancel: Callable[[AsyncConnection, UUID], Awaitable[bool]]

    async def create(
        self,
        context: ApiContext,
        actor: str,
        response: Response,
        accept: Callable[[AsyncConnection], Awaitable[Accepted]],
    ) -> Body:
        """Accept a job, wake the workers, and say where it is."""
        async with autocommitting_async(context.pools.accepting) as conn:
            accepted = await accept(conn)
            await record_async(conn, actor, f"{self.audited_as}requested", str(accepted.report_id))
            shown = await self.show(conn, accepted.report_id)
        context.publisher.offer(accepted.wakes)
        response.headers.update({"Location": f"{self.path}/{shown.id}", "Retry-After": "1"})
        return shown

    async def read(self, context: ApiContext, response: Response, job_id: UUID) -> Body:
        """Show a job, and when to ask again unless it has ended."""
        async with borrowed_async(context.pools.reading) as conn:
            shown = await self.show(conn, job_id)
        response.headers.update(NO_STORE)
        if shown.state in ("queued", "running"):
            response.headers["Retry-After"] = "1"
        return shown

    async def end(self, context: ApiContext, actor: str, job_id: UUID) -> Body:
        """Cancel a job unless it has ended, and show it."""
        async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
            if await self.cancel(conn, job_id):
                await record_async(conn, actor, f"{self.audited_as}canceled", str(job_id))
            return await self.show(conn, job_id)
