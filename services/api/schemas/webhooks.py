"""Request and answer bodies for webhooks."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.http.bodies import RequestBody
from shared.webhooks.address import MAX_URL
from shared.webhooks.model import EVENTS, DeliveryState, EventType

WebhookUrl = Field(
    max_length=MAX_URL,
    description="A public https URL.",
    examples=["https://hooks.example/uptill"],
)


class EndpointCreate(RequestBody):
    """Body of `POST /v1/webhook-endpoints`."""

    url: str = WebhookUrl
    events: list[EventType] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="The events to send."
    )
    description: str = Field(
        default="", max_length=200, pattern=r"^[^\x00]*$", description="A note for people."
    )


class EndpointBody(BaseModel):
    """A webhook endpoint, without its secret."""

    id: UUID
    url: str = WebhookUrl
    events: list[EventType]
    description: str
    state: Literal["enabled", "disabled"]
    disabled_because: str | None = Field(description="Why it is disabled; null while enabled.")
    failing_since: datetime | None = Field(
        description="Since when every delivery has failed; null if the last one succeeded."
    )
    created_at: datetime


class NewEndpoint(EndpointBody):
    """A new webhook endpoint with its secret."""

    secret: str = Field(description="The secret that verifies its deliveries. It is shown only once.")


class EndpointList(BaseModel):
    """All webhook endpoints, oldest first."""

    endpoints: list[EndpointBody]


class NewSecret(BaseModel):
    """Answer of `POST /v1/webhook-secret`."""

    secret: str = Field(
        description="The secret that verifies deliveries to a `webhook_url`. It is shown only once."
    )


class DeliveryBody(BaseModel):
    """The delivery of one event to one URL."""

    id: UUID = Field(description="Sent as the header `webhook-id`.")
    endpoint_id: UUID | None = Field(description="Null if the URL is the `webhook_url` of a report.")
    url: str = WebhookUrl
    report_id: UUID
    event: EventType
    state: DeliveryState
    attempt: int = Field(description="How many attempts were made.")
    due_at: datetime = Field(description="When the next attempt is due.")
    last_status: int | None = Field(examples=[204], description="The HTTP status of the last answer, if any.")
    last_error: str | None = Field(description="Why the last attempt failed; otherwise null.")
    created_at: datetime
    ended_at: datetime | None


class DeliveryList(BaseModel):
    """Webhook deliveries, newest first."""

    deliveries: list[DeliveryBody]
