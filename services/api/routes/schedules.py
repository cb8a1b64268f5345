"""Report schedules as resources: create, list, show, change, delete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response, status
from psycopg import AsyncConnection

from services.api.context import ApiContext, Context
from services.api.schemas.schedule_query import ScheduleQuery
from services.api.schemas.schedule_requests import ScheduleChange, ScheduleCreate
from services.api.schemas.schedule_summary import SchedulePage, ScheduleSummary
from services.api.schemas.schedules import ScheduleBody
from services.api.use_cases import schedules
from shared.db.connect import borrowed_async
from shared.errors import LimitReached, WebhookSecretMissing
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.schedules.model import StoredSchedule
from shared.webhooks.address import check_url

router = APIRouter(route_class=UniqueNamesRoute, tags=["schedules"])
Reader = Annotated[ApiKey, Depends(RequireScope("reports:read"))]
Writer = Annotated[ApiKey, Depends(RequireScope("reports:write"))]
ScheduleId = Annotated[UUID, Path(description="The schedule's id.")]


@router.post(
    "/v1/report-schedules",
    status_code=status.HTTP_201_CREATED,
    responses={
        **answers(LimitReached, WebhookSecretMissing),
        **with_headers(status.HTTP_201_CREATED, "Location"),
    },
)
async def create_schedule(
    context: Context, key: Writer, response: Response, body: ScheduleCreate
) -> ScheduleBody:
    """Create a schedule: a cron expression and a time zone, with report parameters and a delivery.

    If the scheduler misses several due times, it creates one report, for the latest of them.
    """
    terms = body.to_terms()
    _check_address(context, terms.webhook_url)
    async with borrowed_async(context.pools.accepting) as conn:
        schedule = await schedules.create_schedule(
            conn, terms, created_by=key.prefix, visible=key.visible, most=context.settings.max_schedules
        )
    response.headers["Location"] = f"/v1/report-schedules/{schedule.id}"
    return ScheduleBody.with_runs(schedule, [])


@router.get("/v1/report-schedules")
async def read_schedules(
    context: Context, key: Reader, chosen: Annotated[ScheduleQuery, Query()]
) -> SchedulePage:
    """List schedules, newest first. Show a single schedule to get its parameters, due times and runs."""
    before_id = read_id_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn:
        found = await schedules.list_schedules(conn, key.visible, before_id=before_id, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    return SchedulePage(
        schedules=[ScheduleSummary.of_schedule(schedule) for schedule in page],
        next=None if last is None else id_cursor(last.id),
    )


@router.get("/v1/report-schedules/{schedule_id}")
async def read_schedule(context: Context, key: Reader, schedule_id: ScheduleId) -> ScheduleBody:
    """Show a schedule with its next due times and latest runs."""
    async with borrowed_async(context.pools.reading) as conn:
        return await _with_runs(conn, await schedules.get_schedule(conn, schedule_id, key.visible))


@router.patch("/v1/report-schedules/{schedule_id}", responses=answers(WebhookSecretMissing))
async def change_schedule(
    context: Context, key: Writer, schedule_id: ScheduleId, body: ScheduleChange
) -> ScheduleBody:
    """Change a schedule: pause or resume it, or set new times, parameters or deliveries."""
    changes = body.list_changes()
    _check_address(context, changes.get("webhook_url"))
    async with borrowed_async(context.pools.accepting) as conn:
        changed = await schedules.change_schedule(
            conn, schedule_id, key.visible, by=key.prefix, state=body.state, **changes
        )
        return await _with_runs(conn, changed)


@router.delete("/v1/report-schedules/{schedule_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_schedule(context: Context, key: Writer, schedule_id: ScheduleId) -> None:
    """Delete a schedule. Its reports and delivered files stay."""
    async with borrowed_async(context.pools.accepting) as conn:
        await schedules.delete_schedule(conn, schedule_id, key.visible, by=key.prefix)


def _check_address(context: ApiContext, url: str | None) -> None:
    if url is not None:
        check_url(url, allow_private=context.settings.webhook_allow_private, field="deliver.webhook_url")


async def _with_runs(conn: AsyncConnection, schedule: StoredSchedule) -> ScheduleBody:
    return ScheduleBody.with_runs(schedule, await schedules.list_runs(conn, schedule.id))
