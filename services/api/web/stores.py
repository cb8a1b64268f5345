"""The page's views of stores: the list with a search, and one store with its week."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.context import Context, OneStoreTurn
from services.api.schemas.parameters import KnownPolicy
from services.api.use_cases.stores import list_stores, read_latest_poll
from services.api.web.choose_week import StoreChoice
from services.api.web.error_page import PAGE_TAG
from services.api.web.origin_lines import read_origin_lines
from services.api.web.read_store import MOST_OUTAGES, read_store_view
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.search import LONGEST_SEARCH, parse_search
from services.api.web.tables import StoreTables
from shared.db.connect import borrowed_async
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.http.written_times import WrittenDate
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
_PAGE = 50
_EARLIEST, _LATEST = date(1970, 1, 5), date(2099, 12, 31)
_LATEST_US = 1 << 52


class WeekQuery(BaseModel):
    """What to show of a store: the week that holds the date `week`, and the segment at the instant `at`, in microseconds."""

    model_config = ConfigDict(extra="forbid")

    week: WrittenDate | None = Field(default=None, ge=_EARLIEST, le=_LATEST)
    policy: KnownPolicy = DEFAULT_POLICY
    at: int | None = Field(default=None, ge=0, le=_LATEST_US)


@router.get("/stores")
async def show_stores(
    context: Context,
    key: PageReader,
    request: Request,
    q: Annotated[str, Query(max_length=LONGEST_SEARCH)] = "",
    cursor: str | None = None,
) -> Response:
    """List stores by id. The search takes part of an id, and labels as `name=value`."""
    text, labels = parse_search(q)
    async with borrowed_async(context.pools.reading) as conn:
        latest = await read_latest_poll(conn)
        found = await list_stores(
            conn, labels, key.visible, after_id=read_text_cursor(cursor), limit=_PAGE + 1, text=text
        )
    page, last = cut_page(found, _PAGE)
    return render(
        request,
        "stores.html",
        stores=page,
        latest=latest,
        search=q,
        cursor=cursor,
        next=None if last is None else text_cursor(last.store_id),
    )


@router.get("/stores/{store_id:path}")
async def show_store(
    context: Context,
    key: PageReader,
    turn: OneStoreTurn,
    request: Request,
    store_id: Annotated[str, Path()],
    chosen: Annotated[WeekQuery, Query()],
) -> Response:
    """Show one store in one week."""
    choice = StoreChoice(chosen.policy, chosen.week, chosen.at)
    view = await read_store_view(context, key, store_id, choice)
    chosen_entry = None if chosen.at is None else await turn.run(view.weight, lambda: view.chosen)
    origins = await read_origin_lines(context, key, view.store, chosen_entry)

    def build() -> Response:
        return render(
            request,
            "store.html",
            view=view,
            tables=StoreTables(view),
            origins=origins,
            policies=list(POLICIES),
            earlier=view.monday - timedelta(days=7),
            later=view.monday + timedelta(days=7),
            most_outages=MOST_OUTAGES,
        )

    return await turn.run(view.weight, build)
