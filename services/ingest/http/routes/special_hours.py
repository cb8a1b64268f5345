"""The special hours and the lifetime of one store: replace, show, remove."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter

from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.change_lifetime import replace_lifetime
from services.ingest.http.change_special_hours import remove_special_hours, replace_special_hours
from services.ingest.http.context import Context, Writer
from services.ingest.http.dry_run import DryRun
from services.ingest.http.read_adjustments import read_lifetime, read_special_hours
from services.ingest.http.schemas_lifetime import LifetimeBody, LifetimeChange
from services.ingest.http.schemas_special_hours import SpecialDateBody, SpecialHoursBody, SpecialHoursChange
from services.ingest.http.schemas_stores import StoreChangedBody
from services.ingest.http.store_calls import KnownStoreId, Options, StoreId, run_change
from shared.db.connect import borrowed_async
from shared.errors import InvalidRequest, StoreNotFound
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
_MAX_BODY_BYTES = 10 << 20
_SPECIAL_HOURS, _LIFETIME = TypeAdapter(SpecialHoursChange), TypeAdapter(LifetimeChange)


@router.put(
    "/v1/stores/{store_id:path}/special-hours",
    openapi_extra=describe_body(SpecialHoursChange),
    responses=answers(StoreNotFound),
)
async def put_special_hours(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
) -> StoreChangedBody:
    """Replace all special dates of one store. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _SPECIAL_HOURS, limit_bytes=_MAX_BODY_BYTES)
    dates = [one.to_date() for one in body.dates]
    return await run_change(context, replace_special_hours, store_id, dates, options)


@router.get("/v1/stores/{store_id:path}/special-hours", responses=answers(InvalidRequest, StoreNotFound))
async def get_special_hours(context: Context, key: Writer, store_id: KnownStoreId) -> SpecialHoursBody:
    """Show the special dates of one store."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        dates = await read_special_hours(conn, store_id)
    return SpecialHoursBody(
        store_id=store_id, dates=[SpecialDateBody.of_stored(str(day), seconds) for day, seconds in dates]
    )


@router.delete("/v1/stores/{store_id:path}/special-hours", responses=answers(StoreNotFound))
async def delete_special_hours(
    context: Context,
    key: Writer,
    store_id: KnownStoreId,
    date: Annotated[str | None, Query(description="Only this local date, as `2024-12-25`.")] = None,
    *,
    dry_run: DryRun = False,
) -> StoreChangedBody:
    """Remove the special hours of one date, or of all dates. The weekly hours apply again."""
    return await run_change(context, remove_special_hours, store_id, date, key.prefix, dry_run=dry_run)


@router.put(
    "/v1/stores/{store_id:path}/lifetime",
    openapi_extra=describe_body(LifetimeChange),
    responses=answers(StoreNotFound),
)
async def put_lifetime(
    context: Context,
    request: Request,
    store_id: StoreId,
    options: Options,
) -> StoreChangedBody:
    """Set when one store begins and ceases to exist. An unknown store is 404, unless `create` is true."""
    body = await read_json(request, _LIFETIME, limit_bytes=_MAX_BODY_BYTES)
    return await run_change(context, replace_lifetime, store_id, body.opened_at, body.closed_at, options)


@router.get("/v1/stores/{store_id:path}/lifetime", responses=answers(InvalidRequest, StoreNotFound))
async def get_lifetime(context: Context, key: Writer, store_id: KnownStoreId) -> LifetimeBody:
    """Show when one store begins and ceases to exist."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        opened_at, closed_at = await read_lifetime(conn, store_id)
    return LifetimeBody(store_id=store_id, opened_at=opened_at, closed_at=closed_at)
