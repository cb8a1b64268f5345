"""Webhook endpoints, signing secrets and webhook deliveries as resources."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from services.api.context import Context
from services.api.schemas.webhooks import (
    DeliveryBody,
    DeliveryList,
    EndpointBody,
    EndpointCreate,
    EndpointList,
    NewEndpoint,
    NewSecret,
)
from shared.db.connect import borrowed_async
from shared.errors import DeliveryBusy, LimitReached
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.webhooks import endpoints
from shared.webhooks.address import check_url
from shared.webhooks.model import DeliveryState

router = APIRouter(route_class=UniqueNamesRoute, tags=["webhooks"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]
Writer = Annotated[ApiKey, Depends(RequireScope("reports:write"))]
EndpointId = Annotated[UUID, Path(description="The endpoint's id.")]
DeliveryId = Annotated[UUID, Path(description="The delivery's id, as in the header `webhook-id`.")]
_MAX_SHOWN = 1000


@router.post("/v1/webhook-endpoints", status_code=status.HTTP_201_CREATED, responses=answers(LimitReached))
async def create_endpoint(context: Context, key: Admin, body: EndpointCreate) -> NewEndpoint:
    """Register a URL to call when any report ends. Only this answer shows its secret."""
    url = check_url(body.url, allow_private=context.settings.webhook_allow_private)
    async with borrowed_async(context.pools.accepting) as conn:
        endpoint, secret = await endpoints.create_endpoint(
            conn,
            url,
            body.events,
            body.description,
            created_by=key.prefix,
            most=context.settings.max_webhook_endpoints,
        )
    return NewEndpoint(**vars(endpoint), secret=secret)


@router.get("/v1/webhook-endpoints")
async def read_endpoints(context: Context, key: Admin) -> EndpointList:
    """List all webhook endpoints, oldest first."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return EndpointList(
            endpoints=[EndpointBody(**vars(one)) for one in await endpoints.list_endpoints(conn)]
        )


@router.get("/v1/webhook-endpoints/{endpoint_id}")
async def read_endpoint(context: Context, key: Admin, endpoint_id: EndpointId) -> EndpointBody:
    """Show a webhook endpoint."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return EndpointBody(**vars(await endpoints.get_endpoint(conn, endpoint_id)))


@router.delete("/v1/webhook-endpoints/{endpoint_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_endpoint(context: Context, key: Admin, endpoint_id: EndpointId) -> None:
    """Delete a webhook endpoint and its deliveries."""
    async with borrowed_async(context.pools.accepting) as conn:
        await endpoints.delete_endpoint(conn, endpoint_id, by=key.prefix)


@router.post("/v1/webhook-endpoints/{endpoint_id}/enable")
async def enable_endpoint(context: Context, key: Admin, endpoint_id: EndpointId) -> EndpointBody:
    """Enable a disabled webhook endpoint. Deliveries that have waited less than a day are sent too."""
    async with borrowed_async(context.pools.accepting) as conn:
        return EndpointBody(**vars(await endpoints.enable_endpoint(conn, endpoint_id, by=key.prefix)))


@router.post("/v1/webhook-secret", status_code=status.HTTP_201_CREATED)
async def replace_secret(context: Context, key: Writer) -> NewSecret:
    """Create the secret that signs calls to the `webhook_url` of this key's reports. Only this answer shows it.

    If it replaces a secret, calls are signed with both for 24 hours.
    """
    async with borrowed_async(context.pools.accepting) as conn:
        return NewSecret(secret=await endpoints.replace_secret(conn, key.prefix))


@router.get("/v1/webhook-deliveries")
async def read_deliveries(
    context: Context,
    key: Admin,
    endpoint_id: Annotated[UUID | None, Query(description="Only deliveries to this endpoint.")] = None,
    report_id: Annotated[UUID | None, Query(description="Only deliveries about this report.")] = None,
    state: Annotated[DeliveryState | None, Query(description="Only deliveries in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_SHOWN, description="The most deliveries to return.")] = 100,
) -> DeliveryList:
    """List webhook deliveries, newest first."""
    del key
    chosen: dict[str, Any] = {"endpoint_id": endpoint_id, "report_id": report_id, "state": state}
    async with borrowed_async(context.pools.reading) as conn:
        found = await endpoints.list_deliveries(conn, **chosen, limit=limit)
    return DeliveryList(deliveries=[DeliveryBody(**vars(one)) for one in found])


@router.post(
    "/v1/webhook-deliveries/{delivery_id}/resend",
    status_code=status.HTTP_202_ACCEPTED,
    responses=answers(DeliveryBusy),
)
async def resend_delivery(context: Context, key: Admin, delivery_id: DeliveryId) -> DeliveryBody:
    """Send a webhook delivery again, with the same `webhook-id`. Failed attempts are repeated for 24 hours."""
    async with borrowed_async(context.pools.accepting) as conn:
        return DeliveryBody(**vars(await endpoints.resend_delivery(conn, delivery_id, by=key.prefix)))
