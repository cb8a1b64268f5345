"""Service levels as resources: set, list, show, remove. Workers evaluate them."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, status
from pydantic import AfterValidator

from services.api.context import Context
from services.api.routes.reports import Reader, Writer
from services.api.schemas.service_level_put import ServiceLevelPut
from services.api.schemas.service_levels import (
    ServiceLevelBody,
    ServiceLevelList,
    ServiceLevelPage,
    ServiceLevelQuery,
)
from shared.contracts import LEVEL_DUE
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import LimitReached, ServiceLevelNotFound
from shared.http.contract import answers
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.service_levels.stored import (
    get_level,
    list_level_stores,
    list_levels,
    remove_level,
    set_level,
)
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["service levels"])
LevelName = Annotated[str, AfterValidator(storable), Path(description="The service level's name.")]


@router.put("/v1/service-levels/{level}", responses=answers(LimitReached))
async def put_service_level(
    context: Context, key: Writer, level: LevelName, body: ServiceLevelPut
) -> ServiceLevelBody:
    """Add a service level, or replace its terms. A worker evaluates it within seconds, and again every hour."""
    terms = body.to_terms()
    async with autocommitting_async(context.pools.accepting) as conn:
        stored = await set_level(conn, level, terms, by=key.prefix, visible=key.visible)
    context.publisher.offer([LEVEL_DUE])
    return ServiceLevelBody.of_level(stored)


@router.get("/v1/service-levels")
async def read_service_levels(context: Context, key: Reader) -> ServiceLevelList:
    """List all service levels by name, each with its total."""
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_levels(conn, key.visible)
    return ServiceLevelList(service_levels=[ServiceLevelBody.of_level(each) for each in found])


@router.get("/v1/service-levels/{level}", responses=answers(ServiceLevelNotFound))
async def read_service_level(
    context: Context, key: Reader, level: LevelName, chosen: Annotated[ServiceLevelQuery, Query()]
) -> ServiceLevelPage:
    """Show a service level: the total, and a page of its stores."""
    after_id = read_text_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn, conn.transaction():
        found = await get_level(conn, level, key.visible, chosen.period)
        stores = await list_level_stores(
            conn,
            level,
            key.visible,
            chosen.period,
            state=chosen.state,
            after_id=after_id,
            limit=chosen.limit + 1 if found.evaluation else 0,
        )
    page, last = cut_page(stores, chosen.limit)
    return ServiceLevelPage.with_stores(found, page, None if last is None else text_cursor(last.store_id))


@router.delete(
    "/v1/service-levels/{level}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(ServiceLevelNotFound),
)
async def delete_service_level(context: Context, key: Writer, level: LevelName) -> None:
    """Remove a service level and its evaluations."""
    async with autocommitting_async(context.pools.accepting) as conn:
        await remove_level(conn, level, by=key.prefix, visible=key.visible)
