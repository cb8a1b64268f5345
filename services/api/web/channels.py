"""The page's views of channels, for admins: the list, a form whose destination is write-only, messages, and a test."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from services.api.context import ApiContext, Context
from services.api.web.channel_form import KIND_HELP, KIND_LABELS, ChannelDraft
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.render import render, root_of
from services.api.web.require_session import PageAdmin
from services.api.web.words import in_path
from shared.channels import stored
from shared.channels.destination import check_destination
from shared.channels.model import ChannelKind
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import InvalidRequest, LimitReached
from shared.keys import ApiKey
from shared.texts import storable

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
ChannelPath = Annotated[str, AfterValidator(storable), Path()]
_MOST_SHOWN = 50


class NewChannelQuery(BaseModel):
    """The kind of the new channel; without one, the kinds to choose from are shown."""

    model_config = ConfigDict(extra="forbid")

    kind: ChannelKind | Literal[""] = ""


@router.get("/incidents/channels")
async def show_channels(context: Context, key: PageAdmin, request: Request) -> Response:
    """List the channels with masked destinations."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        channels = await stored.list_channels(conn)
    return render(request, "channels.html", channels=channels, kinds=KIND_LABELS)


@router.get("/incidents/new-channel")
async def show_new_channel(
    key: PageAdmin, request: Request, chosen: Annotated[NewChannelQuery, Query()]
) -> Response:
    """Show the kinds of channels, or the form of one."""
    del key
    if not chosen.kind:
        return render(request, "channel_kinds.html", names=KIND_LABELS, texts=KIND_HELP)
    return _show_form(request, ChannelDraft(chosen.kind))


@router.get("/incidents/channels/{channel}")
async def show_channel(context: Context, key: PageAdmin, request: Request, channel: ChannelPath) -> Response:
    """Show a channel with its latest messages."""
    del key
    return await _show_channel(context, request, channel)


@router.post("/incidents/channels")
async def save_channel(context: Context, key: PageAdmin, request: Request, form: SentForm) -> Response:
    """Add or replace a channel, as `PUT /v1/channels/{channel}` does. A new webhook's secret is shown in this answer only."""
    draft, is_new = ChannelDraft.of_form(form), bool(form.text("is_new"))
    try:
        secret = await _save(context, key, draft, is_new=is_new)
    except (InvalidRequest, LimitReached) as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _show_form(request, draft, status=status, fault=str(error), is_new=is_new)
    if secret is None:
        return _to_channel(request, draft.name)
    return await _show_channel(context, request, draft.name, secret=secret)


@router.post("/incidents/channels/{channel}/test")
async def send_test(
    context: Context, key: PageAdmin, request: Request, channel: ChannelPath, form: SentForm
) -> Response:
    """Send a test message, as `POST /v1/channels/{channel}/test` does."""
    del form
    async with autocommitting_async(context.pools.accepting) as conn:
        await stored.test_channel(conn, channel, by=key.prefix)
    return _to_channel(request, channel)


@router.post("/incidents/channels/{channel}/remove")
async def remove_channel(
    context: Context, key: PageAdmin, request: Request, channel: ChannelPath, form: SentForm
) -> Response:
    """Remove a channel with its messages, as `DELETE /v1/channels/{channel}` does."""
    del form
    async with autocommitting_async(context.pools.accepting) as conn:
        await stored.remove_channel(conn, channel, by=key.prefix)
    return RedirectResponse(f"{root_of(request)}incidents/channels", HTTPStatus.SEE_OTHER)


async def _save(context: ApiContext, key: ApiKey, draft: ChannelDraft, *, is_new: bool) -> str | None:
    """Return the secret of a new webhook. Raises `InvalidRequest`, `LimitReached`."""
    body, settings = draft.as_body(), context.settings
    destination = check_destination(
        body.to_destination(),
        allow_private=settings.webhook_allow_private,
        chat_schemes=settings.chat_schemes.split(","),
    )
    async with autocommitting_async(context.pools.accepting) as conn:
        if is_new and any(each.name == draft.name for each in await stored.list_channels(conn)):
            raise InvalidRequest(
                f"there is a channel {draft.name!r} already: choose another name, or edit it", field="name"
            )
        _, secret = await stored.set_channel(
            conn, draft.name, destination, per_minute=body.per_minute, attach=body.attach, by=key.prefix
        )
    return secret


async def _show_channel(
    context: ApiContext, request: Request, name: str, secret: str | None = None
) -> Response:
    async with borrowed_async(context.pools.reading) as conn:
        channel = await stored.get_channel(conn, name)
        messages = await stored.list_messages(conn, name, state=None, limit=_MOST_SHOWN)
    is_live = any(each.ended_at is None for each in messages)
    return render(
        request,
        "channel.html",
        channel=channel,
        kind=KIND_LABELS[channel.kind],
        help=KIND_HELP[channel.kind],
        draft=ChannelDraft.of_channel(channel),
        messages=messages,
        is_live=is_live,
        secret=secret,
    )


def _show_form(
    request: Request, draft: ChannelDraft, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> Response:
    shown = {"fault": "", "is_new": True, **values}
    return render(
        request,
        "channel_form.html",
        status,
        draft=draft,
        kind=KIND_LABELS[draft.kind],
        help=KIND_HELP[draft.kind],
        **shown,
    )


def _to_channel(request: Request, name: str) -> Response:
    return RedirectResponse(f"{root_of(request)}incidents/channels/{in_path(name)}", HTTPStatus.SEE_OTHER)
