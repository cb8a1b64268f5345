"""Changes of the opening hours, the time zone, the labels and the name of one store."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter

from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.change_dated_hours import remove_dated_hours
from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_name import replace_name
from services.ingest.http.change_timezone import replace_timezone
from services.ingest.http.context import Context, Writer
from services.ingest.http.dry_run import DryRun
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.schemas_hours import HoursChange
from services.ingest.http.schemas_stores import LabelsChange, NameChange, StoreChangedBody, TimezoneChange
from services.ingest.http.store_calls import KnownStoreId, Options, StoreId, run_change
from shared.errors import LimitReached, StoreNotFound
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
_MAX_BODY_BYTES = 1 << 20
_HOURS, _TIMEZONE = TypeAdapter(HoursChange), TypeAdapter(TimezoneChange)
_LABELS, _NAME = TypeAdapter(LabelsChange), TypeAdapter(NameChange)


@router.put(
    "/v1/stores/{store_id:path}/hours",
    openapi_extra=describe_body(HoursChange),
    responses=answers(LimitReached, StoreNotFound),
)
async def put_hours(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
    effective_from: Annotated[
        str | None,
        Query(
            description="The first local date of these hours, as `2024-12-25`. Without it, they replace the hours without"
            " a date. Each date has its own hours, which apply until the store's next date; before the first date, the"
            " earliest apply."
        ),
    ] = None,
) -> StoreChangedBody:
    """Replace the opening hours of one store. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _HOURS, limit_bytes=_MAX_BODY_BYTES)
    intervals = [
        LocalInterval(given.day_of_week, given.start_time_local, given.end_time_local) for given in body.hours
    ]
    return await run_change(
        context, replace_hours, store_id, intervals, options, effective_from=effective_from
    )


@router.delete("/v1/stores/{store_id:path}/hours", responses=answers(StoreNotFound))
async def delete_hours(
    context: Context,
    key: Writer,
    store_id: KnownStoreId,
    effective_from: Annotated[
        str, Query(description="The date from which the hours apply, as `2024-12-25`.")
    ],
    *,
    dry_run: DryRun = False,
) -> StoreChangedBody:
    """Remove the hours of one store that apply from a date on. Those of the date before apply again.

    If the store has no hours from this date on, nothing changes, and `warnings` names the dates that it has.
    """
    return await run_change(
        context, remove_dated_hours, store_id, effective_from, key.prefix, dry_run=dry_run
    )


@router.put(
    "/v1/stores/{store_id:path}/timezone",
    openapi_extra=describe_body(TimezoneChange),
    responses=answers(StoreNotFound),
)
async def put_timezone(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
) -> StoreChangedBody:
    """Set the time zone of one store. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _TIMEZONE, limit_bytes=_MAX_BODY_BYTES)
    return await run_change(context, replace_timezone, store_id, body.timezone, options)


@router.put(
    "/v1/stores/{store_id:path}/labels",
    openapi_extra=describe_body(LabelsChange),
    responses=answers(StoreNotFound),
)
async def put_labels(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
) -> StoreChangedBody:
    """Replace the labels of one store. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _LABELS, limit_bytes=_MAX_BODY_BYTES)
    return await run_change(context, replace_labels, store_id, body.labels, options)


@router.put(
    "/v1/stores/{store_id:path}/name",
    openapi_extra=describe_body(NameChange),
    responses=answers(StoreNotFound),
)
async def put_name(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
) -> StoreChangedBody:
    """Set the name of one store; null removes it. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _NAME, limit_bytes=_MAX_BODY_BYTES)
    return await run_change(context, replace_name, store_id, body.name, options)
