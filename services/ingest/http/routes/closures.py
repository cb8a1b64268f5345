"""Closures as resources: declare, list, show, change, withdraw."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import TypeAdapter

from services.ingest.http import closure_reads, closures
from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.context import Context, IngestContext
from services.ingest.http.dry_run import DryRun, body_answer
from services.ingest.http.schemas_closure_change import ClosureChange
from services.ingest.http.schemas_closure_create import ClosureCreate
from services.ingest.http.schemas_closures import ClosureBody, ClosurePage, ClosureQuery
from shared.db.connect import borrowed_async
from shared.errors import ClosureExists, ClosureNotFound, LimitReached, StoreNotFound
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, invalid_cursor, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.store_ids import require_store_id

router = APIRouter(route_class=UniqueNamesRoute, tags=["closures"])
Closer = Annotated[ApiKey, Depends(RequireScope("closures:write"))]
# Who may read the numbers may read what changed them.
Viewer = Annotated[ApiKey, Depends(RequireScope("reports:read", or_else=("closures:write",)))]
ClosureId = Annotated[UUID, Path(description="The closure's id.")]
_MAX_BODY_BYTES = 1 << 20
_CREATE, _CHANGE = TypeAdapter(ClosureCreate), TypeAdapter(ClosureChange)


@router.post(
    "/v1/closures",
    status_code=status.HTTP_201_CREATED,
    responses={
        status.HTTP_200_OK: {"model": ClosureBody, "description": "A dry run: the closure as it would be."},
        **answers(ClosureExists, LimitReached, StoreNotFound),
        **with_headers(status.HTTP_201_CREATED, "Location"),
    },
    openapi_extra=describe_body(ClosureCreate),
)
async def declare_closure(
    context: Context, key: Closer, request: Request, response: Response, *, dry_run: DryRun = False
) -> ClosureBody:
    """Declare a closure, in the future or the past. For `*` or labels, the key needs the scope `admin`.

    The same closure again changes nothing.
    """
    body = await read_json(request, _CREATE, limit_bytes=_MAX_BODY_BYTES)
    declare = partial(closures.declare_closure, _database_url(context), key, dry_run=dry_run)
    declared = await context.changes_lane.run(partial(declare, body.target, body.to_terms()))
    if declared.id is None:
        shown = ClosureBody.of_row(declared.row)
    else:
        shown = await _show(context, key, declared.id)
    if dry_run:
        response.status_code = status.HTTP_200_OK
    else:
        response.headers["Location"] = f"/v1/closures/{declared.id}"
    return shown.model_copy(update={"warnings": list(declared.warnings)})


@router.get("/v1/closures")
async def read_closures(
    context: Context, key: Viewer, chosen: Annotated[ClosureQuery, Query()]
) -> ClosurePage:
    """List closures, latest start first: those that hold, or with `withdrawn` those that were withdrawn.

    A key that is limited to some stores sees those of its stores, and those for labels or every store that apply to them.
    """
    before = _read_cursor(chosen.cursor)
    store_id = None if chosen.store_id is None else require_store_id(chosen.store_id, allow_odd=True)
    async with borrowed_async(context.pools.reading) as conn:
        found = await closure_reads.list_closures(
            conn,
            key.visible,
            store_id=store_id,
            before=before,
            withdrawn=chosen.withdrawn,
            limit=chosen.limit + 1,
        )
    page, last = cut_page(found, chosen.limit)
    return ClosurePage(
        closures=[ClosureBody.of_row(row) for row in page],
        next=None if last is None else text_cursor(f"{last.starts_at.isoformat()} {last.id}"),
    )


@router.get("/v1/closures/{closure_id}", responses=answers(ClosureNotFound))
async def read_closure(context: Context, key: Viewer, closure_id: ClosureId) -> ClosureBody:
    """Show a closure. For a withdrawn one: its last terms, and who withdrew it."""
    return await _show(context, key, closure_id)


@router.patch(
    "/v1/closures/{closure_id}",
    responses=answers(ClosureNotFound, ClosureExists),
    openapi_extra=describe_body(ClosureChange),
)
async def change_closure(
    context: Context, key: Closer, request: Request, closure_id: ClosureId, *, dry_run: DryRun = False
) -> ClosureBody:
    """Change the times, the treatment, the reason or the note of a closure."""
    body = await read_json(request, _CHANGE, limit_bytes=_MAX_BODY_BYTES)
    change = partial(closures.change_closure, _database_url(context), key, dry_run=dry_run)
    columns = await context.changes_lane.run(partial(change, closure_id, body.list_changes()))
    row = await _read(context, key, closure_id)
    return ClosureBody.of_row(row.changed(key.prefix, columns) if dry_run else row)


@router.delete(
    "/v1/closures/{closure_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_model=None,
    responses={
        status.HTTP_200_OK: {
            "model": ClosureBody,
            "description": "A dry run: the closure that would be withdrawn.",
        },
        **answers(ClosureNotFound),
    },
)
async def withdraw_closure(
    context: Context, key: Closer, closure_id: ClosureId, *, dry_run: DryRun = False
) -> Response:
    """Withdraw a closure. Reports that were made before keep their numbers."""
    withdraw = partial(closures.withdraw_closure, _database_url(context), key, dry_run=dry_run)
    await context.changes_lane.run(partial(withdraw, closure_id))
    if dry_run:
        return body_answer(await _show(context, key, closure_id))
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    "/v1/closures/{closure_id}/restore", responses=answers(ClosureNotFound, ClosureExists, LimitReached)
)
async def restore_closure(
    context: Context, key: Closer, closure_id: ClosureId, *, dry_run: DryRun = False
) -> ClosureBody:
    """Declare a withdrawn closure again, with its last terms. One that holds stays as it is."""
    restore = partial(closures.restore_closure, _database_url(context), key, dry_run=dry_run)
    await context.changes_lane.run(partial(restore, closure_id))
    shown = await _show(context, key, closure_id)
    return shown.model_copy(update={"withdrawn_at": None, "withdrawn_by": None})


async def _show(context: IngestContext, key: ApiKey, closure_id: UUID) -> ClosureBody:
    return ClosureBody.of_row(await _read(context, key, closure_id))


async def _read(context: IngestContext, key: ApiKey, closure_id: UUID) -> closure_reads.ClosureRow:
    async with borrowed_async(context.pools.reading) as conn:
        return await closure_reads.get_closure(conn, key.visible, closure_id)


def _database_url(context: IngestContext) -> str:
    return context.settings.database_url.get_secret_value()


def _read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    text = read_text_cursor(cursor)
    if text is None:
        return None
    try:
        instant, closure_id = text.split(" ")
        return datetime.fromisoformat(instant), UUID(closure_id)
    except ValueError:
        raise invalid_cursor() from None
