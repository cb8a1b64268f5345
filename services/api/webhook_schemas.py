"""The bodies of webhook requests and answers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.http.bodies import RequestBody
from shared.webhooks.address import MAX_URL
from shared.webhooks.model import EVENTS, DeliveryState, EventType

WebhookUrl = Field(
    max_length=MAX_URL,
    description="An https address of the public internet.",
    examples=["https://hooks.example/uptill"],
)


class EndpointCreate(RequestBody):
    """Body of `POST /v1/webhook-endpoints`."""

    url: str = WebhookUrl
    events: list[EventType] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="What it is told of."
    )
    description: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$", description="For people.")


class EndpointBody(BaseModel):
    """An endpoint as a resource; its secret is never shown again."""

    id: UUID
    url: str = WebhookUrl
    events: list[EventType]
    description: str
    state: Literal["enabled", "disabled"]
    disabled_because: str | None
    failing_since: datetime | None
    created_at: datetime


class NewEndpoint(EndpointBody):
    """The answer to the creation of an endpoint."""

    secret: str = Field(description="Verifies its deliveries. Shown now and never again.")


class EndpointList(BaseModel):
    """All endpoints."""

    endpoints: list[EndpointBody]


class NewSecret(BaseModel):
    """The answer to `POST /v1/webhook-secret`."""

    secret: str = Field(description="Verifies deliveries to a `webhook_url`. Shown now and never again.")


class DeliveryBody(BaseModel):
    """A delivery. `id` is its `webhook-id`; `endpoint_id` is null for the `webhook_url` of a report."""

    id: UUID
    endpoint_id: UUID | None
    url: str = WebhookUrl
    report_id: UUID
    event: EventType
    state: DeliveryState
    attempt: int
    due_at: datetime
    last_status: int | None = Field(examples=[204])
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    deliveries: list[DeliveryBody]
