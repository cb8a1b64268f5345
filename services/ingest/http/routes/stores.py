"""Changes of the opening hours, the time zone, the labels and the name of one store."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import TypeAdapter

from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.change_dated_hours import remove_dated_hours
from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_name import replace_name
from services.ingest.http.change_store import ChangeOptions, StoreChange
from services.ingest.http.change_timezone import replace_timezone
from services.ingest.http.context import Context, Writer
from services.ingest.http.dry_run import DryRun
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.schemas_counts import CountsBody
from services.ingest.http.schemas_hours import HoursChange
from services.ingest.http.schemas_stores import LabelsChange, NameChange, StoreChangedBody, TimezoneChange
from shared.errors import StoreNotFound
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.store_ids import require_store_id

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
_MAX_BODY_BYTES = 1 << 20
_HOURS, _TIMEZONE = TypeAdapter(HoursChange), TypeAdapter(TimezoneChange)
_LABELS, _NAME = TypeAdapter(LabelsChange), TypeAdapter(NameChange)


# Not a plain function: FastAPI would run it in a thread at each call.
async def _read_store_id(
    context: Context, store_id: Annotated[str, Path(description="The store's id.")]
) -> str:
    return require_store_id(store_id, allow_odd=context.settings.allow_odd_ids)


async def read_known_id(store_id: Annotated[str, Path(description="The store's id.")]) -> str:
    """Return the clean id for a call that adds no store. Raise `InvalidRequest`."""
    return require_store_id(store_id, allow_odd=True)


# Not a plain function, as above.
async def _read_options(
    key: Writer,
    *,
    create: Annotated[bool, Query(description="Add the store if it is unknown.")] = False,
    dry_run: DryRun = False,
) -> ChangeOptions:
    return ChangeOptions(key.prefix, create=create, dry_run=dry_run)


Options = Annotated[ChangeOptions, Depends(_read_options)]
StoreId = Annotated[str, Depends(_read_store_id)]
# Calls that add no store also take ids that would not be accepted for a new one.
KnownStoreId = Annotated[str, Depends(read_known_id)]


@router.put(
    "/v1/stores/{store_id:path}/hours",
    openapi_extra=describe_body(HoursChange),
    responses=answers(StoreNotFound),
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
    database_url = context.settings.database_url.get_secret_value()
    replace = partial(
        replace_hours, database_url, store_id, intervals, options, effective_from=effective_from
    )
    return make_body(await context.changes_lane.run(replace))


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
    database_url = context.settings.database_url.get_secret_value()
    remove = partial(remove_dated_hours, dry_run=dry_run)
    return make_body(
        await context.changes_lane.run(partial(remove, database_url, store_id, effective_from, key.prefix))
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
    database_url = context.settings.database_url.get_secret_value()
    replace = partial(replace_timezone, database_url, store_id, body.timezone, options)
    return make_body(await context.changes_lane.run(replace))


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
    database_url = context.settings.database_url.get_secret_value()
    replace = partial(replace_labels, database_url, store_id, body.labels, options)
    return make_body(await context.changes_lane.run(replace))


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
    database_url = context.settings.database_url.get_secret_value()
    replace = partial(replace_name, database_url, store_id, body.name, options)
    return make_body(await context.changes_lane.run(replace))


def make_body(change: StoreChange) -> StoreChangedBody:
    """Return the answer to a change of one store."""
    counts = change.counts
    return StoreChangedBody(
        store_id=change.store_id,
        import_id=change.import_id,
        counts=CountsBody(accepted=counts.accepted, duplicate=counts.duplicate, corrected=counts.corrected),
        warnings=list(change.warnings),
    )
