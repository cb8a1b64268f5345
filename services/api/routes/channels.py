"""Channels as resources: set, list, show, remove, test; and the messages that were sent to them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, status
from pydantic import AfterValidator

from services.api.context import Context
from services.api.schemas.channels import (
    ChangedChannel,
    ChannelBody,
    ChannelList,
    ChannelPut,
    MessageBody,
    MessageList,
    MessageQuery,
)
from shared.channels import stored
from shared.channels.destination import check_destination
from shared.channels.model import StoredMessage
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import ChannelNotFound, LimitReached
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["channels"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]
ChannelName = Annotated[str, AfterValidator(storable), Path(description="The channel's name.")]


@router.put("/v1/channels/{channel}", responses=answers(LimitReached))
async def put_channel(context: Context, key: Admin, channel: ChannelName, body: ChannelPut) -> ChangedChannel:
    """Add a channel, or replace it. Only the first answer for a webhook shows the secret that signs its messages."""
    settings = context.settings
    destination = check_destination(
        body.to_destination(),
        allow_private=settings.webhook_allow_private,
        chat_schemes=settings.chat_schemes.split(","),
    )
    async with autocommitting_async(context.pools.accepting) as conn:
        changed, secret = await stored.set_channel(
            conn, channel, destination, per_minute=body.per_minute, attach=body.attach, by=key.prefix
        )
    return ChangedChannel(**vars(changed), secret=secret)


@router.get("/v1/channels")
async def read_channels(context: Context, key: Admin) -> ChannelList:
    """List all channels by name."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return ChannelList(channels=[ChannelBody(**vars(one)) for one in await stored.list_channels(conn)])


@router.get("/v1/channels/{channel}", responses=answers(ChannelNotFound))
async def read_channel(context: Context, key: Admin, channel: ChannelName) -> ChannelBody:
    """Show a channel."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return ChannelBody(**vars(await stored.get_channel(conn, channel)))


@router.delete(
    "/v1/channels/{channel}", status_code=status.HTTP_204_NO_CONTENT, responses=answers(ChannelNotFound)
)
async def delete_channel(context: Context, key: Admin, channel: ChannelName) -> None:
    """Remove a channel with its messages, and with what waits for it."""
    async with autocommitting_async(context.pools.accepting) as conn:
        await stored.remove_channel(conn, channel, by=key.prefix)


@router.post(
    "/v1/channels/{channel}/test",
    status_code=status.HTTP_202_ACCEPTED,
    responses=answers(ChannelNotFound),
)
async def test_channel(context: Context, key: Admin, channel: ChannelName) -> MessageBody:
    """Send a test message. List the channel's messages to learn what became of it."""
    async with autocommitting_async(context.pools.accepting) as conn:
        return _body_of(await stored.test_channel(conn, channel, by=key.prefix))


@router.get("/v1/channels/{channel}/messages", responses=answers(ChannelNotFound))
async def read_messages(
    context: Context, key: Admin, channel: ChannelName, chosen: Annotated[MessageQuery, Query()]
) -> MessageList:
    """List the messages of a channel, newest first. They are kept for 30 days after their end."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        found = await stored.list_messages(conn, channel, state=chosen.state, limit=chosen.limit)
    return MessageList(messages=[_body_of(one) for one in found])


def _body_of(message: StoredMessage) -> MessageBody:
    shown = {name: value for name, value in vars(message).items() if name != "channel"}
    return MessageBody(**shown)
