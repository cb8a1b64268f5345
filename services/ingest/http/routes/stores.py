"""Changes of the opening hours, the time zone and the labels of one store."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter

from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.change_store import (
    LocalInterval,
    StoreChange,
    replace_hours,
    replace_labels,
    replace_timezone,
)
from services.ingest.http.context import Context, Writer
from services.ingest.http.schemas import (
    CountsBody,
    HoursChange,
    LabelsChange,
    StoreChangedBody,
    TimezoneChange,
)
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
_MAX_BODY_BYTES = 1 << 20
_HOURS, _TIMEZONE = TypeAdapter(HoursChange), TypeAdapter(TimezoneChange)
_LABELS = TypeAdapter(LabelsChange)


@router.put("/v1/stores/{store_id:path}/hours", openapi_extra=describe_body(HoursChange))
async def put_hours(
    context: Context,
    key: Writer,
    request: Request,
    store_id: str,
    effective_from: Annotated[
        str | None,
        Query(
            description="The first local date of these hours, as `2024-12-25`. Without it, they replace the hours without"
            " a date. Each date has its own hours, which apply until the store's next date; before the first date, the"
            " earliest apply."
        ),
    ] = None,
) -> StoreChangedBody:
    """Replace the opening hours of one store. Adds the store if it is unknown."""
    body = await read_json(request, _HOURS, limit_bytes=_MAX_BODY_BYTES)
    intervals = [
        LocalInterval(str(given.day_of_week), given.start_time_local, given.end_time_local)
        for given in body.hours
    ]
    database_url = context.settings.database_url.get_secret_value()
    return make_body(
        await context.changes_lane.run(
            partial(replace_hours, database_url, store_id, intervals, key.prefix, effective_from)
        )
    )


@router.put("/v1/stores/{store_id:path}/timezone", openapi_extra=describe_body(TimezoneChange))
async def put_timezone(context: Context, key: Writer, request: Request, store_id: str) -> StoreChangedBody:
    """Set the time zone of one store. Adds the store if it is unknown."""
    body = await read_json(request, _TIMEZONE, limit_bytes=_MAX_BODY_BYTES)
    database_url = context.settings.database_url.get_secret_value()
    return make_body(
        await context.changes_lane.run(
            partial(replace_timezone, database_url, store_id, body.timezone, key.prefix)
        )
    )


@router.put("/v1/stores/{store_id:path}/labels", openapi_extra=describe_body(LabelsChange))
async def put_labels(context: Context, key: Writer, request: Request, store_id: str) -> StoreChangedBody:
    """Replace the labels of one store. Adds the store if it is unknown."""
    body = await read_json(request, _LABELS, limit_bytes=_MAX_BODY_BYTES)
    database_url = context.settings.database_url.get_secret_value()
    return make_body(
        await context.changes_lane.run(
            partial(replace_labels, database_url, store_id, body.labels, key.prefix)
        )
    )


def make_body(change: StoreChange) -> StoreChangedBody:
    """Return the answer to a change of one store."""
    counts = change.counts
    return StoreChangedBody(
        store_id=change.store_id,
        import_id=change.import_id,
        counts=CountsBody(accepted=counts.accepted, duplicate=counts.duplicate, corrected=counts.corrected),
    )
