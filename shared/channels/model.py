"""Channels and messages as values. No `repr` shows a destination or a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

ChannelKind = Literal["webhook", "email", "chat"]
CHANNEL_KINDS: Final[tuple[ChannelKind, ...]] = get_args(ChannelKind)
MessageState = Literal["pending", "leased", "delivered", "failed"]


@dataclass(frozen=True)
class StoredChannel:
    """A channel without its secrets. `shown` is what people see of its destination."""

    name: str
    kind: ChannelKind
    shown: str
    per_minute: int
    attach: bool
    changed_by: str | None
    changed_at: datetime


@dataclass(frozen=True)
class StoredMessage:
    """One sending to a channel, with how many events it tells."""

    id: UUID
    channel: str
    topic: str
    events: int
    state: MessageState
    attempt: int
    due_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class MessageLease:
    """The right to make one attempt to send a message, and where to; `sent_at_s` is by the database's clock."""

    id: UUID
    attempt: int
    channel: str
    topic: str
    kind: ChannelKind
    destination: Mapping[str, Any] = field(repr=False, hash=False, compare=False)
    secret: str | None = field(repr=False)
    attach: bool
    created_at: datetime
    sent_at_s: int

    @property
    def log_context(self) -> dict[str, str | int]:
        """The fields of log lines about this message."""
        return {
            "message": str(self.id),
            "attempt": self.attempt,
            "channel": self.channel,
            "channel_kind": self.kind,
        }
