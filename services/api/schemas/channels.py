"""Request and answer bodies for channels and their messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.channels.destination import MAX_RECIPIENTS, Destination
from shared.channels.model import ChannelKind, MessageState
from shared.http.bodies import RequestBody
from shared.webhooks.address import MAX_URL

_EXAMPLE: dict[str, Any] = {"kind": "email", "to": ["ops@example.com"]}


class ChannelPut(RequestBody):
    """Body of `PUT /v1/channels/{channel}`. It replaces the whole channel."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]}, hide_input_in_errors=True)

    kind: ChannelKind = Field(description="`webhook`, `email`, or `chat` for a chat service.")
    url: Annotated[SecretStr, Field(max_length=MAX_URL)] | None = Field(
        default=None,
        description=(
            "Of a webhook: a public https URL. Of a chat: an Apprise URL whose scheme is in `UPTILL_CHAT_SCHEMES`."
            " It is a secret: no answer shows it."
        ),
    )
    to: list[Annotated[SecretStr, Field(max_length=254)]] = Field(
        default=[],
        max_length=MAX_RECIPIENTS,
        description="The recipients of e-mails. Answers mask them.",
    )
    per_minute: int = Field(
        default=20,
        ge=1,
        le=600,
        strict=True,
        description="The most messages a minute, on average. The others wait.",
    )
    attach: bool = Field(
        default=True,
        strict=True,
        description="Whether e-mails about reports have the files attached if these have at most 5 MB together.",
    )

    def to_destination(self) -> Destination:
        """Return where it leads, unchecked."""
        return Destination(
            kind=self.kind,
            url=None if self.url is None else self.url.get_secret_value(),
            to=[each.get_secret_value() for each in self.to],
        )


class ChannelBody(BaseModel):
    """A channel. Its destination is masked."""

    name: str = Field(examples=["ops"])
    kind: ChannelKind
    shown: str = Field(description="The destination, masked.", examples=["o…@example.com"])
    per_minute: int
    attach: bool
    changed_by: str | None = Field(description="The prefix of the key that changed it last.")
    changed_at: datetime


class ChangedChannel(ChannelBody):
    """A channel that was added or replaced."""

    secret: str | None = Field(
        description="The secret that verifies the messages of a new webhook. It is shown only once. Otherwise null."
    )


class ChannelList(BaseModel):
    """All channels by name."""

    channels: Sequence[ChannelBody]


class MessageBody(BaseModel):
    """One message to a channel."""

    id: UUID = Field(description="The same at every attempt. Webhooks have it as `webhook-id`.")
    topic: str = Field(description="What its events have in common.", examples=["north down"])
    events: int = Field(description="How many events it tells.")
    state: MessageState
    attempt: int = Field(description="How many attempts were made.")
    due_at: datetime = Field(description="When the next attempt is due.")
    last_status: int | None = Field(
        examples=[250], description="The status of the last answer by HTTP or SMTP, if any."
    )
    last_error: str | None = Field(
        description="Why the last attempt failed, without the destination; otherwise null."
    )
    created_at: datetime
    ended_at: datetime | None


class MessageList(BaseModel):
    """Messages of a channel, newest first."""

    messages: Sequence[MessageBody]


class MessageQuery(BaseModel):
    """Which messages to list."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["pending", "leased", "delivered", "failed"] | None = Field(
        default=None, description="Only messages in this state."
    )
    limit: int = Field(default=50, ge=1, le=1000, description="The most messages to return.")
