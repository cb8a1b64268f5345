"""Jobs that compute daily facts, as resources: create, list, show, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response, status

from services.api.context import Context
from services.api.routes.reports import NO_STORE
from services.api.schemas.facts import FactsBody, FactsCreate, FactsPage, FactsQuery
from shared.audit import record_async
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import FactsNotFound
from shared.facts.jobs import cancel_job, get_job, list_jobs, trigger_facts
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.http.observe import current_origin
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey

router = APIRouter(route_class=UniqueNamesRoute, tags=["facts"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]
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
    async with autocommitting_async(context.pools.accepting) as conn:
        accepted = await trigger_facts(conn, request, context.batch_terms, key.prefix, current_origin())
        await record_async(conn, key.prefix, "facts.requested", str(accepted.report_id))
        job = await get_job(conn, accepted.report_id)
    context.publisher.offer(accepted.wakes)
    response.headers.update({"Location": f"/v1/facts/{job.id}", "Retry-After": "1"})
    return FactsBody.of_job(job)


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
    async with borrowed_async(context.pools.reading) as conn:
        job = await get_job(conn, facts_id)
    response.headers.update(NO_STORE)
    if job.state in ("queued", "running"):
        response.headers["Retry-After"] = "1"
    return FactsBody.of_job(job)


@router.delete("/v1/facts/{facts_id:uuid}", responses=answers(FactsNotFound))
async def cancel_facts(context: Context, key: Admin, facts_id: FactsId) -> FactsBody:
    """Cancel a job that computes daily facts. The facts of finished batches stay. A job that has ended is not changed."""
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        if await cancel_job(conn, facts_id):
            await record_async(conn, key.prefix, "facts.canceled", str(facts_id))
        return FactsBody.of_job(await get_job(conn, facts_id))
