"""Stores: list, show, timeline. Store ids may contain slashes."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.routes.reports import Reader
from services.api.schemas.store_policies import StorePoliciesBody, StorePoliciesQuery
from services.api.schemas.stores import (
    StoreBody,
    StoreDetailBody,
    StorePage,
    StoreQuery,
)
from services.api.schemas.timeline import TimelineBody
from services.api.schemas.timeline_query import TimelineQuery
from services.api.use_cases.store_detail import get_store
from services.api.use_cases.store_makers import read_makers
from services.api.use_cases.stores import list_stores
from services.api.use_cases.timeline import read_timeline
from shared.db.connect import borrowed_async
from shared.errors import InvalidRequest, StoreFailed
from shared.http.contract import answers
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.labels import parse_labels

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
StoreId = Annotated[str, Path(description="The store's id.")]


@router.get("/v1/stores")
async def read_stores(context: Context, key: Reader, chosen: Annotated[StoreQuery, Query()]) -> StorePage:
    """List stores by id, each with its latest poll."""
    labels, after_id = parse_labels(chosen.label, separator=":"), read_text_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_stores(conn, labels, key.visible, after_id=after_id, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    return StorePage(
        stores=[StoreBody.of_store(store) for store in page],
        next=None if last is None else text_cursor(last.store_id),
    )


@router.get("/v1/stores/{store_id:path}/timeline", responses=answers(StoreFailed))
async def read_store_timeline(
    context: Context, key: Reader, store_id: StoreId, chosen: Annotated[TimelineQuery, Query()]
) -> TimelineBody:
    """Explain the uptime of one store: its opening times, its polls, and the rule behind every change of state."""
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_timeline(conn, context.sealed, store_id, chosen.to_request(), key.visible)
    return await run_in_threadpool(lambda: TimelineBody.of_timeline(given, given.compute_timeline()))


@router.get("/v1/stores/{store_id:path}/policies", responses=answers(StoreFailed))
async def read_store_policies(
    context: Context, key: Reader, store_id: StoreId, chosen: Annotated[StorePoliciesQuery, Query()]
) -> StorePoliciesBody:
    """Compare policies on one store: the same window under each, and every stretch about which they differ, with the rules."""
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_timeline(conn, context.sealed, store_id, chosen.to_request(), key.visible)
    return await run_in_threadpool(lambda: StorePoliciesBody.of_input(given, chosen.policy))


@router.get("/v1/stores/{store_id:path}", responses=answers(InvalidRequest))
async def read_store(context: Context, key: Reader, store_id: StoreId) -> StoreDetailBody:
    """Show one store: opening hours, time zone, labels and latest poll."""
    async with borrowed_async(context.pools.reading) as conn:
        found = await get_store(conn, store_id, key.visible)
        return StoreDetailBody.with_hours(found, await read_makers(conn, found.store, key.visible))
