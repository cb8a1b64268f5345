"""Pictures of a store for mails and wikis: its week, and its uptime as a badge. Drawn as the page draws them."""

import hashlib
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.context import Context, OneStoreTurn
from services.api.routes.reports import Reader
from services.api.routes.stores import StoreId
from services.api.schemas.parameters import KnownPolicy
from services.api.schemas.timeline_query import WindowText
from services.api.use_cases.timeline import TimelineRequest, read_timeline
from services.api.web.choose_week import StoreChoice
from services.api.web.figures import WindowNumbers
from services.api.web.picture_style import Colours, picture_policy, picture_style
from services.api.web.read_store import read_week_view
from services.api.web.render import draw
from shared.db.connect import borrowed_async
from shared.errors import Overloaded, StoreFailed
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.http.written_times import WrittenDate
from shared.pictures.words import share
from shared.uptime.policy import DEFAULT_POLICY
from shared.uptime.window import NAMED_WINDOWS, Window

router = APIRouter(route_class=UniqueNamesRoute, tags=["stores"])
_SVG = "image/svg+xml"
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {_SVG: {"schema": {"type": "string"}}}},
    304: {"description": "The picture is that of `If-None-Match`."},
    **answers(StoreFailed, Overloaded),
}
_EARLIEST, _LATEST = date(1970, 1, 5), date(2099, 12, 31)
_KEPT = "private, max-age=60"
_DEFAULT_WINDOW = NAMED_WINDOWS["last_week"]
_CHARACTER, _PADDING = 7, 12  # the width of a letter of a badge, and of the space beside a text


class PictureQuery(BaseModel):
    """How to draw."""

    model_config = ConfigDict(extra="forbid")

    policy: KnownPolicy = Field(default=DEFAULT_POLICY, description="The rule that turns polls into uptime.")
    colours: Colours = Field(default="light", description="For a light or a dark background.")


class WeekPictureQuery(PictureQuery):
    """Which week to draw."""

    week: WrittenDate | None = Field(
        default=None,
        ge=_EARLIEST,
        le=_LATEST,
        description="The week that holds this local date. Default: that of the newest poll of any store.",
    )


class BadgeQuery(PictureQuery):
    """Which time the badge is about."""

    window: WindowText = Field(
        default=_DEFAULT_WINDOW,
        validate_default=False,
        description="A window as in reports, up to the newest poll.",
    )


@router.get("/v1/stores/{store_id:path}/timeline.svg", response_class=Response, responses=_PICTURE)
async def draw_week(
    context: Context,
    key: Reader,
    turn: OneStoreTurn,
    store_id: StoreId,
    chosen: Annotated[WeekPictureQuery, Query()],
    if_none_match: Annotated[str | None, Header(description="The `ETag` of a picture at hand.")] = None,
) -> Response:
    """Draw one week of a store as an SVG picture, with a text alternative."""
    view = await read_week_view(context, key, store_id, StoreChoice(chosen.policy, chosen.week))
    text = await turn.run(view.week.weight, lambda: draw("week.svg", view=view, **_look(chosen)))
    return _send(chosen.colours, if_none_match, text.encode())


@router.get("/v1/stores/{store_id:path}/badge.svg", response_class=Response, responses=_PICTURE)
async def draw_badge(
    context: Context,
    key: Reader,
    turn: OneStoreTurn,
    store_id: StoreId,
    chosen: Annotated[BadgeQuery, Query()],
    if_none_match: Annotated[str | None, Header(description="The `ETag` of a picture at hand.")] = None,
) -> Response:
    """Draw a store's uptime in a window as a small SVG picture, with a text alternative."""
    window: Window = chosen.window
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_timeline(
            conn, context.sealed, store_id, TimelineRequest(chosen.policy, window), key.visible
        )

    def build() -> str:
        figures = WindowNumbers.of(window.name, given.compute_timeline().measures)
        name, value = f"uptime {window.name.replace('_', ' ')}", share(figures.up_us, figures.down_us)
        widths = [_CHARACTER * len(text) + _PADDING for text in (name, value)]
        return draw(
            "badge.svg",
            store=given.store,
            figures=figures,
            texts=(name, value),
            widths=widths,
            **_look(chosen),
        )

    text = await turn.run(given.weight, build)
    return _send(chosen.colours, if_none_match, text.encode())


def _look(chosen: PictureQuery) -> dict[str, Any]:
    return {"style": picture_style(chosen.colours)}


def _send(colours: Colours, if_none_match: str | None, content: bytes) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "Cache-Control": _KEPT,
        "ETag": tag,
        "Content-Security-Policy": picture_policy(colours),
        "Vary": "Authorization, X-API-Key",
    }
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=_SVG, headers=headers)
