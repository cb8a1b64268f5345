"""Outages: of a few stores, or of one. They are computed when asked for, so each key has one call at a time."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.api.context import ApiContext, Context
from services.api.routes.reports import Reader
from services.api.routes.stores import StoreId
from services.api.schemas.fleet_outage_query import FleetOutageQuery
from services.api.schemas.outage_query import OutageQuery
from services.api.schemas.outages import OutagePage
from services.api.use_cases.outage_page import OutageChoice, OutagePosition, page_outages, read_position
from services.api.use_cases.outage_search import OutageSearch
from services.api.use_cases.outages import read_outage_input
from services.api.use_cases.stores import find_store
from shared.db.connect import borrowed_async
from shared.errors import Overloaded, StoreFailed
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.texts import quoted

router = APIRouter(route_class=UniqueNamesRoute, tags=["outages"])


@router.get("/v1/outages", responses=answers(Overloaded))
async def read_outages(
    context: Context, key: Reader, chosen: Annotated[FleetOutageQuery, Query()]
) -> OutagePage:
    """List the outages of up to 1,000 stores, chosen by id or label.

    For more stores, request a report with the file `outages`.
    """
    choice = chosen.to_choice()
    position = read_position(chosen.cursor, choice.list_no)
    search = chosen.to_fleet_search(position)
    return await _answer_page(context, key, chosen.limit, choice, position, search)


@router.get("/v1/stores/{store_id:path}/outages", responses=answers(StoreFailed, Overloaded))
async def read_store_outages(
    context: Context, key: Reader, store_id: StoreId, chosen: Annotated[OutageQuery, Query()]
) -> OutagePage:
    """List the outages of one store."""
    choice = chosen.to_choice(store_id)
    position = read_position(chosen.cursor, choice.list_no)
    async with borrowed_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, key.visible)
    search = chosen.to_search(position, store.store_id)
    page = await _answer_page(context, key, chosen.limit, choice, position, search)
    for failed in page.failed_stores:
        raise StoreFailed(f"store {quoted(failed.store_id)} cannot be computed: {failed.detail}")
    return page


async def _answer_page(
    context: ApiContext,
    key: ApiKey,
    limit: int,
    choice: OutageChoice,
    position: OutagePosition | None,
    search: OutageSearch,
) -> OutagePage:
    async with context.outage_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            given = await read_outage_input(conn, context.sealed, search, key.visible)

        def compute() -> OutagePage:
            found = given.find_outages()
            page = page_outages(found, choice, position, limit)
            return OutagePage.of_page(found, search.policy, page)

        return await context.outage_lane.run(compute)
