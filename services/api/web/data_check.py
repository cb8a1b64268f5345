"""What the diagnostics find in one store, as a page of its own: the page of the store fetches it when it is there."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.api.context import ApiContext, Context
from services.api.use_cases.stores import find_store
from services.api.web.error_page import PAGE_TAG
from services.api.web.render import render
from services.api.web.require_session import PageReader
from shared.db.connect import borrowed_async, connect
from shared.diagnostics.find import warn_of_store

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])


@router.get("/checks/{store_id:path}")
async def show_check(
    context: Context, key: PageReader, request: Request, store_id: Annotated[str, Path()]
) -> Response:
    """Show what looks wrong in the hours, dates, zone, lifetime and closures of a store."""
    async with borrowed_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, key.visible)
    async with context.series_turns.take(key.prefix):
        found = await context.series_lane.run(lambda: _find(context, store.store_key))
    return render(request, "data_check.html", store=store, found=found)


def _find(context: ApiContext, store_key: int) -> list[str]:
    settings = context.settings
    with connect(
        settings.database_url.get_secret_value(),
        application_name="uptill-api check",
        statement_timeout_s=settings.statement_timeout_s,
        autocommit=True,
    ) as conn:
        return warn_of_store(conn, store_key)
