"""Calendars as resources: replace, list, show, remove. They are for many stores, so only administrators reach them."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, status
from pydantic import AfterValidator, TypeAdapter

from services.ingest.http import calendars
from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.context import Context
from services.ingest.http.schemas_adjustments import (
    CalendarBody,
    CalendarChange,
    CalendarList,
    CalendarSummary,
)
from shared.db.connect import borrowed_async
from shared.errors import CalendarNotFound
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["calendars"])
Administrator = Annotated[ApiKey, Depends(RequireScope("admin"))]
Name = Annotated[str, AfterValidator(storable), Path(description="The calendar's name.")]
_MAX_BODY_BYTES = 10 << 20
_CHANGE = TypeAdapter(CalendarChange)


@router.put("/v1/calendars/{calendar}", openapi_extra=describe_body(CalendarChange))
async def put_calendar(
    context: Context, key: Administrator, request: Request, calendar: Name
) -> CalendarBody:
    """Replace the labels and all dates of a calendar. Adds the calendar if it is unknown.

    A store's own special hours come first, then the first calendar by name that has the date.
    """
    body = await read_json(request, _CHANGE, limit_bytes=_MAX_BODY_BYTES)
    dates = [one.to_date() for one in body.dates]
    database_url = context.settings.database_url.get_secret_value()
    await context.changes_lane.run(
        partial(calendars.replace_calendar, database_url, calendar, body.labels, dates, key.prefix)
    )
    return await get_calendar(context, key, calendar)


@router.get("/v1/calendars")
async def get_calendars(context: Context, key: Administrator) -> CalendarList:
    """List all calendars by name."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        found = await calendars.list_calendars(conn)
    return CalendarList(calendars=[CalendarSummary.of_row(row) for row in found])


@router.get("/v1/calendars/{calendar}", responses=answers(CalendarNotFound))
async def get_calendar(context: Context, key: Administrator, calendar: Name) -> CalendarBody:
    """Show a calendar with its dates."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return CalendarBody.with_dates(await calendars.get_calendar(conn, calendar))


@router.delete(
    "/v1/calendars/{calendar}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(CalendarNotFound),
)
async def delete_calendar(context: Context, key: Administrator, calendar: Name) -> None:
    """Remove a calendar. The weekly hours of its dates apply again."""
    database_url = context.settings.database_url.get_secret_value()
    await context.changes_lane.run(partial(calendars.remove_calendar, database_url, calendar, key.prefix))
