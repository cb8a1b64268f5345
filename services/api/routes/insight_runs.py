"""Runs of insights, as resources: start, show, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response, status
from psycopg import AsyncConnection

from services.api.context import Context
from services.api.routes.jobs import JobRoutes
from services.api.schemas.insight_runs import InsightRunBody
from shared.errors import InsightRunNotFound
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.observe import current_origin
from shared.http.unique_names import UniqueNamesRoute
from shared.insight_runs.jobs import cancel_run, get_run, trigger_insights
from shared.keys import ApiKey
from shared.reports.acceptance import Accepted

router = APIRouter(route_class=UniqueNamesRoute, tags=["insights"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]


async def _show(conn: AsyncConnection, run_id: UUID) -> InsightRunBody:
    return InsightRunBody.of_job(await get_run(conn, run_id))


_RUNS = JobRoutes("/v1/insights/runs", "insights.", _show, cancel_run)
RunId = Annotated[UUID, Path(description="The run's id.")]


@router.post(
    "/v1/insights/runs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=with_headers(status.HTTP_202_ACCEPTED, "Location", "Retry-After"),
)
async def create_insight_run(context: Context, key: Admin, response: Response) -> InsightRunBody:
    """Conclude insights from the last eight weeks, now. Workers do it after reports, live state and daily facts."""

    async def accept(conn: AsyncConnection) -> Accepted:
        return await trigger_insights(conn, context.batch_terms, key.prefix, current_origin())

    return await _RUNS.create(context, key.prefix, response, accept)


@router.get(
    "/v1/insights/runs/{run_id:uuid}",
    responses={**answers(InsightRunNotFound), **with_headers(status.HTTP_200_OK, "Retry-After")},
)
async def read_insight_run(context: Context, key: Admin, response: Response, run_id: RunId) -> InsightRunBody:
    """Show a run of insights, and its progress."""
    del key
    return await _RUNS.read(context, response, run_id)


@router.delete("/v1/insights/runs/{run_id:uuid}", responses=answers(InsightRunNotFound))
async def cancel_insight_run(context: Context, key: Admin, run_id: RunId) -> InsightRunBody:
    """Cancel a run of insights. Hours that were counted stay, and the conclusions of the run before."""
    return await _RUNS.end(context, key.prefix, run_id)
