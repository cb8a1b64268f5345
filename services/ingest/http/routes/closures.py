"""Closures as resources: declare, list, show, change, withdraw."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import TypeAdapter

from services.ingest.http import closures
from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.context import Context, IngestContext
from services.ingest.http.schemas_closure_change import ClosureChange
from services.ingest.http.schemas_closure_create import ClosureCreate
from services.ingest.http.schemas_closures import ClosureBody, ClosurePage, ClosureQuery
from shared.db.connect import borrowed_async
from shared.errors import ClosureExists, ClosureNotFound, StoreNotFound
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, invalid_cursor, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.store_ids import require_store_id

router = APIRouter(route_class=UniqueNamesRoute, tags=["closures"])
Closer = Annotated[ApiKey, Depends(RequireScope("closures:write"))]
ClosureId = Annotated[UUID, Path(description="The closure's id.")]
_MAX_BODY_BYTES = 1 << 20
_CREATE, _CHANGE = TypeAdapter(ClosureCreate), TypeAdapter(ClosureChange)


@router.post(
    "/v1/closures",
    status_code=status.HTTP_201_CREATED,
    responses={
        **answers(ClosureExists, StoreNotFound),
        **with_headers(status.HTTP_201_CREATED, "Location"),
    },
    openapi_extra=describe_body(ClosureCreate),
)
async def declare_closure(context: Context, key: Closer, request: Request, response: Response) -> ClosureBody:
    """Declare a closure, also afterwards. For `*` or labels, the key needs the scope `admin`.

    The same closure again changes nothing.
    """
    body = await read_json(request, _CREATE, limit_bytes=_MAX_BODY_BYTES)
    declare = partial(closures.declare_closure, _database_url(context), key, *body.target, body.to_terms())
    closure_id, warnings = await context.changes_lane.run(declare)
    response.headers["Location"] = f"/v1/closures/{closure_id}"
    shown = await _show(context, key, closure_id)
    return shown.model_copy(update={"warnings": list(warnings)})


@router.get("/v1/closures")
async def read_closures(
    context: Context, key: Closer, chosen: Annotated[ClosureQuery, Query()]
) -> ClosurePage:
    """List the closures that were not withdrawn, latest start first."""
    before = _read_cursor(chosen.cursor)
    store_id = None if chosen.store_id is None else require_store_id(chosen.store_id, allow_odd=True)
    async with borrowed_async(context.pools.reading) as conn:
        found = await closures.list_closures(
            conn, key.visible, store_id=store_id, before=before, limit=chosen.limit + 1
        )
    page, last = cut_page(found, chosen.limit)
    return ClosurePage(
        closures=[ClosureBody.of_row(row) for row in page],
        next=None if last is None else text_cursor(f"{last.starts_at.isoformat()} {last.id}"),
    )


@router.get("/v1/closures/{closure_id}", responses=answers(ClosureNotFound))
async def read_closure(context: Context, key: Closer, closure_id: ClosureId) -> ClosureBody:
    """Show a closure that holds."""
    return await _show(context, key, closure_id)


@router.patch(
    "/v1/closures/{closure_id}",
    responses=answers(ClosureNotFound, ClosureExists),
    openapi_extra=describe_body(ClosureChange),
)
async def change_closure(
    context: Context, key: Closer, request: Request, closure_id: ClosureId
) -> ClosureBody:
    """Change the times, the treatment, the reason or the note of a closure."""
    body = await read_json(request, _CHANGE, limit_bytes=_MAX_BODY_BYTES)
    await context.changes_lane.run(
        partial(closures.change_closure, _database_url(context), key, closure_id, body.list_changes())
    )
    return await _show(context, key, closure_id)


@router.delete(
    "/v1/closures/{closure_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(ClosureNotFound),
)
async def withdraw_closure(context: Context, key: Closer, closure_id: ClosureId) -> None:
    """Withdraw a closure. Reports that were made before keep their numbers."""
    await context.changes_lane.run(
        partial(closures.withdraw_closure, _database_url(context), key, closure_id)
    )


async def _show(context: IngestContext, key: ApiKey, closure_id: UUID) -> ClosureBody:
    async with borrowed_async(context.pools.reading) as conn:
        return ClosureBody.of_row(await closures.get_closure(conn, key.visible, closure_id))


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
