"""The first view: what stores are now. People get the page, and programs a problem. A stream says when it has changed."""

from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.schemas.live_query import NowQuery, NowSort
from services.api.use_cases.live import LiveChoice
from services.api.web.error_page import PAGE_TAG
from services.api.web.now_view import ORDER
from services.api.web.read_now import PageChoice, read_now_view
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.search import LONGEST_SEARCH, parse_search
from services.api.web.squares import CLASSES, draw_squares
from shared.errors import InvalidRequest
from shared.http.demands import refuse_ended
from shared.keys import StoreScope
from shared.labels import label_fault
from shared.uptime.live import LiveState

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
SORT_NAMES = {
    NowSort.LONGEST_DOWN: "longest down",
    NowSort.NEWEST_SINCE: "latest change",
    NowSort.SINCE: "earliest change",
    NowSort.NEWEST_LAST_POLL: "latest poll",
    NowSort.LAST_POLL: "earliest poll",
    NowSort.STORE_ID: "id",
}


class ShownQuery(BaseModel):
    """What to show. A form also sends the fields that nobody filled in."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=LONGEST_SEARCH)
    state: LiveState | Literal[""] = ""
    sort: NowSort = NowSort.LONGEST_DOWN
    by: str = Field(default="", max_length=63)
    cursor: str | None = None

    def to_choice(self, visible: StoreScope) -> PageChoice:
        """Return the choice. Raises `InvalidRequest`."""
        if self.by and (fault := label_fault(self.by, "x")):
            raise InvalidRequest(fault, field="by")
        text, labels = parse_search(self.q)
        states = [self.state] if self.state else []
        # Stores that are not down are in the order of their ids then, which an index has.
        by_id = self.sort is NowSort.LONGEST_DOWN and self.state not in ("", LiveState.DOWN)
        position = NowQuery(sort=NowSort.STORE_ID if by_id else self.sort, cursor=self.cursor)
        return PageChoice(LiveChoice(visible, labels, states, text), self.by or None, position)


async def _people_only(request: Request) -> None:
    """Answer as for any unknown path if a program asks."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(HTTPStatus.NOT_FOUND)


@router.get("/", dependencies=[Depends(_people_only)])
async def show_now(
    context: Context, key: PageReader, request: Request, chosen: Annotated[ShownQuery, Query()]
) -> Response:
    """Show counts by state, the exceptions, and a square for each store."""
    view = await read_now_view(context, chosen.to_choice(key.visible))

    def build() -> Response:
        return render(
            request,
            "now.html",
            view=view,
            chosen=chosen,
            states=ORDER,
            sorts=SORT_NAMES,
            squares=draw_squares,
            classes=CLASSES,
        )

    response = await run_in_threadpool(build)
    response.headers["Vary"] = "Accept"
    return response


@router.get("/now/events", response_class=EventSourceResponse)
async def stream_news(
    context: Context,
    key: PageReader,
    request: Request,
    q: Annotated[str, Query(max_length=LONGEST_SEARCH)] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Say `news` whenever stores of the search have changed, so that the page reads itself again."""
    choice = LiveChoice(key.visible, parse_search(q)[1])
    with context.live_feed.listen(key.prefix):
        yield ServerSentEvent(event="ready", data={})
        async for _ in context.live_feed.follow_news(
            choice, context.stopping, partial(refuse_ended, request)
        ):
            yield ServerSentEvent(event="news", data={})
