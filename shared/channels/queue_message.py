"""Queue events for channels, in the caller's transaction. The scheduler sends those of one topic together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from shared.channels.notice import Notice
from shared.db.queries import queries

_SQL = queries("channels")
MAX_TOPIC: Final = 200
_NAMESPACE: Final = UUID("5f1a4e0c-6f5b-4a53-9c2b-6d1f3f0a7e11")


@dataclass(frozen=True, kw_only=True)
class QueuedEvent:
    """An event for one channel.

    `topic` bundles: events of one topic that wait for the same channel are sent as one message. Use the rule's name.
    `idempotency_id` is any text that names this event, such as `INCIDENT opened` or `INCIDENT reminder 3`. The same id
    for the same channel is queued once, as long as its message is kept (30 days after its end).
    `not_before` delays the sending: the end of quiet hours, the next digest, the time of a reminder or escalation.
    """

    channel: str
    topic: str
    idempotency_id: str
    notice: Notice
    not_before: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.topic) > MAX_TOPIC:
            raise ValueError(f"topic has {len(self.topic)} characters: use at most {MAX_TOPIC}")

    def to_row(self) -> dict[str, Any]:
        """Return the row of `channel_event`."""
        return {
            "channel": self.channel,
            "id": event_id(self.idempotency_id),
            "topic": self.topic,
            "event": self.notice.event,
            "notice": Jsonb(self.notice.to_json()),
            "not_before": self.not_before,
        }


def event_id(idempotency_id: str) -> UUID:
    """Return the id of the event with this idempotency id."""
    return uuid5(_NAMESPACE, idempotency_id)


def queue_message(conn: psycopg.Connection, event: QueuedEvent) -> bool:
    """Queue an event. Return False, and queue nothing, if it is queued already or the channel does not exist."""
    return conn.execute(_SQL["queue_event"], event.to_row()).rowcount == 1


async def queue_message_async(conn: psycopg.AsyncConnection, event: QueuedEvent) -> bool:
    """Like `queue_message`, for asyncio."""
    return (await conn.execute(_SQL["queue_event"], event.to_row())).rowcount == 1


def withdraw_message(conn: psycopg.Connection, channel: str, idempotency_id: str) -> bool:
    """Remove an event that waits, such as a reminder that is no longer needed. Return False if none waits."""
    return conn.execute(_SQL["withdraw_event"], _key(channel, idempotency_id)).rowcount == 1


async def withdraw_message_async(conn: psycopg.AsyncConnection, channel: str, idempotency_id: str) -> bool:
    """Like `withdraw_message`, for asyncio."""
    return (await conn.execute(_SQL["withdraw_event"], _key(channel, idempotency_id))).rowcount == 1


def _key(channel: str, idempotency_id: str) -> dict[str, Any]:
    return {"channel": channel, "id": event_id(idempotency_id)}
