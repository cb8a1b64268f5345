"""The messages of one topic over all channels: what people were told about a rule, and what still waits."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.channels.model import StoredMessage
from shared.db.queries import queries

_SQL = queries("channels")


class WaitingEvents(NamedTuple):
    """Events of a topic that no message to `channel` holds yet. The first may be told from `told_from` on."""

    channel: str
    events: int
    told_from: datetime


async def list_topic_messages(
    conn: AsyncConnection, topic: str, since: datetime, until: datetime, limit: int
) -> Sequence[StoredMessage]:
    """Return the newest messages of a topic that were made in a time. They are kept for 30 days after their end."""
    asked = {"topic": topic, "since": since, "until": until, "limit": limit}
    async with conn.cursor(row_factory=class_row(StoredMessage)) as cursor:
        return await (await cursor.execute(_SQL["messages_of_topic"], asked)).fetchall()


async def list_waiting(conn: AsyncConnection, topic: str) -> Sequence[WaitingEvents]:
    """Return what waits to be told about a topic, because of quiet hours, a digest or an earlier message."""
    rows = await (await conn.execute(_SQL["waiting_of_topic"], {"topic": topic})).fetchall()
    return [WaitingEvents(*row) for row in rows]
