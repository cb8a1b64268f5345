"""Jobs that compute daily facts, as resources: create, list, show, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response, status
from psycopg import AsyncConnection

from services.api.context import Context
from services.api.routes.jobs import JobRoutes
from services.api.routes.reports import NO_STORE
from services.api.schemas.facts import FactsBody, FactsCreate, FactsPage, FactsQuery
from shared.db.connect import borrowed_async
from shared.errors import FactsNotFound
from shared.facts.jobs import cancel_job, get_job, list_jobs, trigger_facts
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.http.observe import current_origin
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.reports.acceptance import Accepted

router = APIRouter(route_class=UniqueNamesRoute, tags=["facts"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]


async def _show(conn: AsyncConnection, job_id: UUID) -> FactsBody:
    return FactsBody.of_job(await get_job(conn, job_id))


_JOBS = JobRoutes("/v1/facts", "facts.", _show, cancel_job)
FactsId = Annotated[UUID, Path(description="The job's id.")]


@router.post(
    "/v1/facts",
    status_code=status.HTTP_202_ACCEPTED,
    responses=with_headers(status.HTTP_202_ACCEPTED, "Location", "Retry-After"),
)
async def create_facts(context: Context, key: Admin, response: Response, body: FactsCreate) -> FactsBody:
    """Compute the daily facts of every store for a range of local dates.

    Workers compute them after reports. Days that are not final yet are left out, and days that still hold are not
    computed again.
    """
    request = body.to_request()

    async def accept(conn: AsyncConnection) -> Accepted:
        return await trigger_facts(conn, request, context.batch_terms, key.prefix, current_origin())

    return await _JOBS.create(context, key.prefix, response, accept)


@router.get("/v1/facts")
async def read_all_facts(
    context: Context, key: Admin, response: Response, chosen: Annotated[FactsQuery, Query()]
) -> FactsPage:
    """List the jobs that compute daily facts, newest first: those of calls and those of each night."""
    del key
    before_id = read_id_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_jobs(
            conn, state=chosen.state, policy=chosen.policy, before_id=before_id, limit=chosen.limit + 1
        )
    page, last = cut_page(found, chosen.limit)
    response.headers.update(NO_STORE)
    return FactsPage(
        jobs=[FactsBody.of_job(job) for job in page],
        next=None if last is None else id_cursor(last.id),
    )


@router.get(
    "/v1/facts/{facts_id:uuid}",
    responses={**answers(FactsNotFound), **with_headers(status.HTTP_200_OK, "Retry-After")},
)
async def read_facts(context: Context, key: Admin, response: Response, facts_id: FactsId) -> FactsBody:
    """Show a job that computes daily facts, and its progress."""
    del key
    return await _JOBS.read(context, response, facts_id)


@router.delete("/v1/facts/{facts_id:uuid}", responses=answers(FactsNotFound))
async def cancel_facts(context: Context, key: Admin, facts_id: FactsId) -> FactsBody:
    """Cancel a job that computes daily facts. The facts of finished batches stay. A job that has ended is not changed."""
    return await _JOBS.end(context, key.prefix, facts_id)
