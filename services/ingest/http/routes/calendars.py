"""Calendars as resources: replace, list, show, remove. They are for many stores, so only administrators reach them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import AfterValidator, TypeAdapter

from services.ingest.http import calendars
from services.ingest.http.bodies import describe_body, media_type, read_bytes, read_json
from services.ingest.http.context import Context
from services.ingest.http.dry_run import DryRun, body_answer
from services.ingest.http.schemas_calendars import CalendarBody, CalendarChange, CalendarList, CalendarSummary
from services.ingest.http.special_dates import parse_special_dates, warn_of_dates
from services.ingest.parse.ical_dates import parse_icalendar
from shared.db.connect import borrowed_async
from shared.errors import CalendarNotFound, InvalidRequest, UnsupportedMediaType
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.labels import parse_labels
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["calendars"])
Administrator = Annotated[ApiKey, Depends(RequireScope("admin"))]
Name = Annotated[str, AfterValidator(storable), Path(description="The calendar's name.")]
_MAX_BODY_BYTES = 10 << 20
_CHANGE = TypeAdapter(CalendarChange)
_EXAMPLE = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20241225\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@router.put("/v1/calendars/{calendar}", openapi_extra=describe_body(CalendarChange, calendar=_EXAMPLE))
async def put_calendar(
    context: Context,
    key: Administrator,
    request: Request,
    calendar: Name,
    label: Annotated[
        list[str] | None,
        Query(
            description="With an iCalendar body: `NAME:VALUE`, only for stores with this label; may be repeated. Without"
            " it, the calendar is for every store."
        ),
    ] = None,
    *,
    dry_run: DryRun = False,
) -> CalendarBody:
    """Replace the labels and all dates of a calendar, given as JSON or iCalendar. Adds the calendar if it is unknown.

    A store's own special hours come first, then the first calendar by name that has the date. In iCalendar, an event of
    whole days closes its dates, and an event with times is an opening interval. Recurring events are read for 20 years.
    """
    make_calendar = await _read_change(request, label)
    database_url = context.settings.database_url.get_secret_value()

    def replace() -> tuple[calendars.CalendarRow, Sequence[str]]:
        return calendars.replace_calendar(
            database_url, calendar, make_calendar(), key.prefix, dry_run=dry_run
        )

    given, warnings = await context.changes_lane.run(replace)
    if dry_run:
        return CalendarBody.with_dates(given, warnings)
    async with borrowed_async(context.pools.reading) as conn:
        return CalendarBody.with_dates(await calendars.get_calendar(conn, calendar), warnings)


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
    response_model=None,
    responses={
        status.HTTP_200_OK: {
            "model": CalendarBody,
            "description": "A dry run: the calendar that would be removed.",
        },
        **answers(CalendarNotFound),
    },
)
async def delete_calendar(
    context: Context, key: Administrator, calendar: Name, *, dry_run: DryRun = False
) -> Response:
    """Remove a calendar. The weekly hours of its dates apply again."""
    database_url = context.settings.database_url.get_secret_value()
    remove = partial(calendars.remove_calendar, database_url, dry_run=dry_run)
    await context.changes_lane.run(partial(remove, calendar, key.prefix))
    if not dry_run:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    async with borrowed_async(context.pools.reading) as conn:
        return body_answer(CalendarBody.with_dates(await calendars.get_calendar(conn, calendar)))


async def _read_change(request: Request, label: list[str] | None) -> Callable[[], calendars.NewCalendar]:
    """Read the body. Return a function that parses it, for a thread: a long iCalendar file takes seconds."""
    match media_type(request):
        case "application/json":
            if label:
                raise InvalidRequest(
                    "a JSON body has the labels itself: leave out the parameter", field="query.label"
                )
            body = await read_json(request, _CHANGE, limit_bytes=_MAX_BODY_BYTES)
            dates = [one.to_date() for one in body.dates]
            return lambda: calendars.NewCalendar(
                body.labels, parse_special_dates(dates), warn_of_dates(dates)
            )
        case "text/calendar":
            try:
                labels = parse_labels(label or (), separator=":")
            except ValueError as error:
                raise InvalidRequest(str(error), field="query.label") from None
            text = await read_bytes(request, limit_bytes=_MAX_BODY_BYTES)
            return partial(_parse_icalendar, labels, text)
    raise UnsupportedMediaType(
        "the body is declared neither as JSON nor as iCalendar: send it with Content-Type: application/json or"
        " text/calendar"
    )


def _parse_icalendar(labels: Mapping[str, str], body: bytes) -> calendars.NewCalendar:
    found = parse_icalendar(body, datetime.now(UTC).date())
    return calendars.NewCalendar(labels, found.dates, found.warnings)
