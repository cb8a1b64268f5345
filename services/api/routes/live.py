"""Live state: what stores are now, how many are in which state, and changes as server-sent events.

A stream ends when its key ends, and when this service stops; event sources then reconnect to another instance.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.context import Context
from services.api.routes.reports import NO_STORE, Reader
from services.api.routes.stores import StoreId
from services.api.schemas.live import NowEvent, NowSummaryBody, StoreNowBody, StoreNowPage
from services.api.schemas.live_query import NowChoice, NowQuery, NowSummaryQuery
from services.api.use_cases.live import LiveChoice, LivePosition, count_live, get_live, list_live
from shared.db.connect import borrowed_async
from shared.errors import Overloaded
from shared.http.contract import answers
from shared.http.cursors import cut_page
from shared.http.demands import refuse_ended
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import StoreScope
from shared.labels import parse_labels

router = APIRouter(route_class=UniqueNamesRoute, tags=["live"])


@router.get("/v1/now")
async def read_now(
    context: Context, key: Reader, response: Response, chosen: Annotated[NowQuery, Query()]
) -> StoreNowPage:
    """List what stores are now: up, down, unknown, silent, closed, excluded or ended."""
    choice, after = chosen.to_choice(key.visible, chosen.text), chosen.position()
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_live(conn, choice, sort=chosen.sort, after=after, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    response.headers.update(NO_STORE)
    return StoreNowPage(
        stores=[StoreNowBody.of_store(store) for store in page],
        next=None if last is None else chosen.cursor_after(LivePosition(last.place, last.store_id)),
    )


@router.get("/v1/now/summary")
async def read_now_summary(
    context: Context, key: Reader, response: Response, chosen: Annotated[NowSummaryQuery, Query()]
) -> NowSummaryBody:
    """Count stores by live state, and by the values of a label, with the instant of the refresh and its lag."""
    choice = LiveChoice(key.visible, parse_labels(chosen.label, separator=":"))
    async with borrowed_async(context.pools.reading) as conn:
        counts = await count_live(conn, choice, chosen.by)
    response.headers.update(NO_STORE)
    return NowSummaryBody.of_counts(counts, chosen.by)


@router.get("/v1/stores/{store_id:path}/now")
async def read_store_now(
    context: Context, key: Reader, response: Response, store_id: StoreId
) -> StoreNowBody:
    """Show what one store is now."""
    async with borrowed_async(context.pools.reading) as conn:
        store = await get_live(conn, store_id, key.visible)
    response.headers.update(NO_STORE)
    return StoreNowBody.of_store(store)


class _StreamStart(NamedTuple):
    """The first event of a stream, the id after which changes follow, and the stores that the caller may see."""

    event: str
    after_id: int
    visible: StoreScope


async def _open_stream(
    context: Context,
    key: Reader,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, lt=1 << 63, description="The id of the last event that was received: go on after it."),
    ] = None,
) -> AsyncIterator[_StreamStart]:
    """Count the listener, and look before the stream begins, so that a refusal is an ordinary answer."""
    with context.live_feed.listen(key.prefix):
        positions = await context.live_feed.look()
        if last_event_id is None:
            yield _StreamStart("ready", positions.newest, key.visible)
        elif positions.can_follow(last_event_id):
            yield _StreamStart("ready", last_event_id, key.visible)
        else:
            yield _StreamStart("missed", positions.newest, key.visible)


@router.get(
    "/v1/now/events",
    response_class=EventSourceResponse,
    responses={
        200: {"description": "Server-sent events: `ready`, `missed` and `change`."},
        **answers(Overloaded),
    },
)
async def stream_now(
    context: Context,
    request: Request,
    response: Response,
    chosen: Annotated[NowChoice, Query()],
    start: Annotated[_StreamStart, Depends(_open_stream)],
) -> AsyncIterator[ServerSentEvent]:
    """Stream changes of live state as server-sent events, as refreshes find them.

    The first event is `ready`, or `missed` if changes after `Last-Event-ID` are gone: then read `/v1/now` again. Each
    `change` has an id. Comments in between keep the connection open.
    """
    response.headers["Cache-Control"] = "no-store"
    yield ServerSentEvent(event=start.event, id=str(start.after_id), data={})
    choice, check_key = chosen.to_choice(start.visible), partial(refuse_ended, request)
    async for change in context.live_feed.follow(choice, start.after_id, context.stopping, check_key):
        yield ServerSentEvent(event="change", id=str(change.id), data=NowEvent.of_change(change))
