"""Stores: list, show, timeline. Store ids may contain slashes."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from services.api.context import Context, OneStoreTurn
from services.api.encoded_answer import EncodedAnswer
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
from shared.errors import InvalidRequest, Overloaded, StoreFailed
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


@router.get(
    "/v1/stores/{store_id:path}/timeline",
    response_model=TimelineBody,
    responses=answers(StoreFailed, Overloaded),
)
async def read_store_timeline(
    context: Context,
    key: Reader,
    turn: OneStoreTurn,
    store_id: StoreId,
    chosen: Annotated[TimelineQuery, Query()],
) -> Response:
    """Explain the uptime of one store: its opening times, its polls, and the rule behind every change of state."""
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_timeline(conn, context.sealed, store_id, chosen.to_request(), key.visible)
    return await turn.run(
        given.weight,
        lambda: EncodedAnswer(TimelineBody.of_timeline(given, given.compute_timeline())),
    )


@router.get(
    "/v1/stores/{store_id:path}/policies",
    response_model=StorePoliciesBody,
    responses=answers(StoreFailed, Overloaded),
)
async def read_store_policies(
    context: Context,
    key: Reader,
    turn: OneStoreTurn,
    store_id: StoreId,
    chosen: Annotated[StorePoliciesQuery, Query()],
) -> Response:
    """Compare policies on one store: the same window under each, and every stretch about which they differ, with the rules."""
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_timeline(conn, context.sealed, store_id, chosen.to_request(), key.visible)
    return await turn.run(
        given.weight * len(chosen.policy),
        lambda: EncodedAnswer(StorePoliciesBody.of_input(given, chosen.policy)),
    )


@router.get("/v1/stores/{store_id:path}", responses=answers(InvalidRequest))
async def read_store(context: Context, key: Reader, store_id: StoreId) -> StoreDetailBody:
    """Show one store: opening hours, time zone, labels and latest poll."""
    async with borrowed_async(context.pools.reading) as conn:
        found = await get_store(conn, store_id, key.visible)
        return StoreDetailBody.with_hours(found, await read_makers(conn, found.store, key.visible))
