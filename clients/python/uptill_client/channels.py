"""Calls for channels of messages, and their answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uptill_client.paths import encode_segment
from uptill_client.transport import Transport

_PATH = "/v1/channels"
_ENDED = ("delivered", "failed")


@dataclass(frozen=True)
class Channel:
    """A channel. `shown` is its masked destination. `secret` is set only where a webhook was added."""

    name: str
    kind: str
    shown: str
    per_minute: int
    attach: bool
    changed_by: str | None
    changed_at: datetime
    secret: str | None = None


@dataclass(frozen=True)
class ChannelMessage:
    """One message to a channel. `id` is the same at every attempt."""

    id: str
    topic: str
    events: int
    state: str
    attempt: int
    due_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_tried(self) -> bool:
        """Whether an attempt has ended."""
        return self.state in _ENDED or self.last_error is not None


@dataclass(frozen=True)
class _Channels:
    channels: Sequence[Channel]


@dataclass(frozen=True)
class _Messages:
    messages: Sequence[ChannelMessage]


class ChannelCalls:
    """Calls for channels. Each call raises `ApiError` on failure."""

    _api: Transport

    def set_channel(
        self,
        name: str,
        kind: str,
        *,
        url: str | None = None,
        to: Sequence[str] = (),
        per_minute: int | None = None,
        attach: bool | None = None,
    ) -> Channel:
        """Add or replace a channel of `kind` "webhook" or "chat" with its `url`, or "email" with its recipients `to`.

        The answer has the `secret` of a new webhook.
        """
        given = {"url": url, "to": list(to) or None, "per_minute": per_minute, "attach": attach}
        body: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
        return self._api.call(Channel, "PUT", _channel_path(name), json={"kind": kind, **body})

    def channels(self) -> Sequence[Channel]:
        """Return all channels by name."""
        return self._api.call(_Channels, "GET", _PATH).channels

    def get_channel(self, name: str) -> Channel:
        """Return a channel."""
        return self._api.call(Channel, "GET", _channel_path(name))

    def remove_channel(self, name: str) -> None:
        """Remove a channel with its messages, and with what waits for it."""
        self._api.call(type(None), "DELETE", _channel_path(name))

    def test_channel(self, name: str) -> ChannelMessage:
        """Send a test message. Does not wait for the attempt."""
        return self._api.call(ChannelMessage, "POST", f"{_channel_path(name)}/test")

    def channel_messages(
        self, name: str, *, state: str | None = None, limit: int = 50
    ) -> Sequence[ChannelMessage]:
        """Return up to `limit` messages of a channel, newest first."""
        query = {"limit": str(limit)} | ({"state": state} if state else {})
        return self._api.call(_Messages, "GET", f"{_channel_path(name)}/messages", params=query).messages

    def await_message(
        self, name: str, message: ChannelMessage, *, every_s: float = 0.5, within_s: float = 60
    ) -> ChannelMessage:
        """Return the message once an attempt has ended, or as it is after `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while not message.is_tried and time.monotonic() < deadline:
            time.sleep(every_s)
            found = {one.id: one for one in self.channel_messages(name, limit=1000)}
            message = found.get(message.id, message)
        return message


def _channel_path(name: str) -> str:
    return f"{_PATH}/{encode_segment(name)}"
