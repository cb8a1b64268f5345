"""What callers of the API do with channels: set, list, get, remove and test them, and list their messages."""

import re
from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record_async
from shared.channels.destination import Destination
from shared.channels.model import MessageState, StoredChannel, StoredMessage
from shared.channels.notice import Notice
from shared.channels.queue_message import QueuedEvent
from shared.db.queries import queries
from shared.errors import ChannelNotFound, InvalidRequest, LimitReached
from shared.ids import new_id
from shared.texts import quoted
from shared.webhooks.secret import new_secret

NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
MAX_CHANNELS: Final = 100
_SQL = queries("channels")


async def set_channel(
    conn: AsyncConnection,
    name: str,
    destination: Destination,
    *,
    per_minute: int,
    attach: bool,
    by: str,
) -> tuple[StoredChannel, str | None]:
    """Add a channel or replace it. Return it with a new signing secret, or None if it has none or keeps the old one.

    The destination must be checked. Raises `InvalidRequest`, and `LimitReached`.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidRequest(
            f"invalid name {quoted(name)}: use 1 to 63 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter"
            " or a digit",
            field="path.channel",
        )
    async with conn.transaction():
        await conn.execute(_SQL["lock_channels"])
        known = {row[0]: row[1] for row in await _fetch_all(conn, "kinds_of_channels")}
        if name not in known and len(known) >= MAX_CHANNELS:
            raise LimitReached(
                f"there are {len(known)} channels, and the limit is {MAX_CHANNELS}: delete one first"
            )
        is_webhook = destination.kind == "webhook"
        keeps_secret = is_webhook and known.get(name) == "webhook"
        secret = new_secret() if is_webhook and not keeps_secret else None
        row: dict[str, Any] = {
            "name": name,
            "kind": destination.kind,
            "destination": Jsonb(destination.to_json()),
            "shown": destination.shown,
            "secret": secret,
            "per_minute": per_minute,
            "attach": attach,
            "by": by,
        }
        await conn.execute(_SQL["insert_channel" if name not in known else "replace_channel"], row)
        if name in known and not keeps_secret:
            await conn.execute(_SQL["replace_channel_secret"], row)
        await record_async(conn, by, "channel.set", name, kind=destination.kind, shown=destination.shown)
    return await get_channel(conn, name), secret


async def list_channels(conn: AsyncConnection) -> list[StoredChannel]:
    """Return all channels by name."""
    return await _select_channels(conn, None)


async def get_channel(conn: AsyncConnection, name: str) -> StoredChannel:
    """Return one channel. Raises `ChannelNotFound`."""
    found = await _select_channels(conn, name)
    if not found:
        raise ChannelNotFound(f"channel {quoted(name)} does not exist: GET /v1/channels lists the channels")
    return found[0]


async def remove_channel(conn: AsyncConnection, name: str, *, by: str) -> None:
    """Remove a channel with what waits for it. Raises `ChannelNotFound`."""
    async with conn.transaction():
        if (await conn.execute(_SQL["delete_channel"], {"name": name})).rowcount == 0:
            await get_channel(conn, name)
        await record_async(conn, by, "channel.removed", name)


async def test_channel(conn: AsyncConnection, name: str, *, by: str) -> StoredMessage:
    """Queue a test message, which waits for nothing, and return it. Raises `ChannelNotFound`."""
    async with conn.transaction():
        await get_channel(conn, name)
        message_id = new_id()
        event = QueuedEvent(
            channel=name,
            topic=f"test {message_id}",
            idempotency_id=f"test {message_id}",
            notice=Notice(event="channel.test", what=f"Test of the channel {name}", subject_id=message_id),
        )
        await conn.execute(_SQL["insert_message"], {**event.to_row(), "message_id": message_id})
        await conn.execute(_SQL["insert_told_event"], {**event.to_row(), "message_id": message_id})
        await record_async(conn, by, "channel.tested", name)
    (message,) = await _select_messages(conn, channel=name, id=message_id, state=None, limit=1)
    return message


async def list_messages(
    conn: AsyncConnection, name: str, *, state: MessageState | None, limit: int
) -> list[StoredMessage]:
    """Return the newest messages of a channel. Raises `ChannelNotFound`."""
    await get_channel(conn, name)
    return await _select_messages(conn, channel=name, id=None, state=state, limit=limit)


async def refuse_unknown_channels(conn: AsyncConnection, names: Sequence[str], *, field: str) -> None:
    """Raise `InvalidRequest` if one of the channels does not exist."""
    known = {name for (name, _) in await _fetch_all(conn, "kinds_of_channels")}
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"channel {quoted(name)} does not exist: PUT /v1/channels/NAME adds it", field=field
            )


async def _select_channels(conn: AsyncConnection, name: str | None) -> list[StoredChannel]:
    async with conn.cursor(row_factory=class_row(StoredChannel)) as cursor:
        return await (await cursor.execute(_SQL["select_channels"], {"name": name})).fetchall()


async def _select_messages(conn: AsyncConnection, **chosen: object) -> list[StoredMessage]:
    async with conn.cursor(row_factory=class_row(StoredMessage)) as cursor:
        return await (await cursor.execute(_SQL["select_messages"], chosen)).fetchall()


async def _fetch_all(conn: AsyncConnection, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(_SQL[statement])).fetchall()
