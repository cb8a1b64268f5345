"""What callers of the API do with webhooks: manage endpoints and secrets, subscribe to one report, list deliveries."""

import sys
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import (
    DeliveryBusy,
    DeliveryNotFound,
    EndpointNotFound,
    LimitReached,
    TooManyPendingWebhooks,
    WebhookSecretMissing,
)
from shared.ids import new_id
from shared.webhooks.model import KEEP_TRYING, DeliveryState, Endpoint, EventType, StoredDelivery
from shared.webhooks.secret import new_secret

_SQL = queries("webhooks")
_FINAL = ("succeeded", "failed", "canceled")


async def create_endpoint(
    conn: AsyncConnection,
    url: str,
    events: list[EventType],
    description: str,
    *,
    created_by: str,
    most: int = sys.maxsize,
) -> tuple[Endpoint, str]:
    """Register a checked address; return the endpoint with its secret, which cannot be shown again.

    Raises `LimitReached` if the key has `most` endpoints.
    """
    count = await conn.execute(_SQL["count_endpoints"], {"created_by": created_by})
    if (known := (await count.fetchone() or (0,))[0]) >= most:
        raise LimitReached(
            f"this key has {known} webhook endpoints, and its limit is {most}: delete one first"
        )
    endpoint_id, secret = new_id(), new_secret()
    await conn.execute(
        _SQL["insert_endpoint"],
        {
            "id": endpoint_id,
            "url": url,
            "events": events,
            "description": description,
            "secret": secret,
            "created_by": created_by,
        },
    )
    await record_async(conn, created_by, "webhook.created", str(endpoint_id), url=url)
    return await get_endpoint(conn, endpoint_id), secret


async def list_endpoints(conn: AsyncConnection) -> list[Endpoint]:
    """Return all endpoints, oldest first."""
    return await _query_endpoints(conn, None)


async def get_endpoint(conn: AsyncConnection, endpoint_id: UUID) -> Endpoint:
    """Return one endpoint. Raises `EndpointNotFound`."""
    found = await _query_endpoints(conn, endpoint_id)
    if not found:
        raise EndpointNotFound(
            f"webhook endpoint {endpoint_id} does not exist: GET /v1/webhook-endpoints lists the endpoints"
        )
    return found[0]


async def delete_endpoint(conn: AsyncConnection, endpoint_id: UUID, *, by: str) -> None:
    """Delete an endpoint with its deliveries. Raises `EndpointNotFound`."""
    await get_endpoint(conn, endpoint_id)
    await conn.execute(_SQL["delete_endpoint"], {"id": endpoint_id})
    await record_async(conn, by, "webhook.deleted", str(endpoint_id))


async def enable_endpoint(conn: AsyncConnection, endpoint_id: UUID, *, by: str) -> Endpoint:
    """Send to an endpoint again, including what is waiting. Raises `EndpointNotFound`."""
    await conn.execute(_SQL["enable_endpoint"], {"id": endpoint_id})
    endpoint = await get_endpoint(conn, endpoint_id)
    await record_async(conn, by, "webhook.enabled", str(endpoint_id))
    return endpoint


async def replace_secret(conn: AsyncConnection, key_prefix: str) -> str:
    """Make the secret that signs deliveries to the `webhook_url` of a key's reports. The old one signs for one more day."""
    secret = new_secret()
    await conn.execute(_SQL["replace_secret"], {"key_prefix": key_prefix, "secret": secret})
    await record_async(conn, key_prefix, "webhook.secret_made", key_prefix)
    return secret


async def subscribe(
    conn: AsyncConnection, report_id: UUID, url: str, key_prefix: str, most_pending: int = sys.maxsize
) -> None:
    """Send the report's end to this address, at once if it has ended. Runs in the transaction of the trigger.

    Raises `WebhookSecretMissing`, and `TooManyPendingWebhooks` if `most_pending` deliveries of the key wait.
    """
    await require_secret(conn, key_prefix)
    count = await conn.execute(_SQL["pending_webhooks"], {"key_prefix": key_prefix})
    if (pending := (await count.fetchone() or (0,))[0]) >= most_pending:
        raise TooManyPendingWebhooks(pending, most_pending)
    state = await (await conn.execute(_SQL["share_report"], {"report_id": report_id})).fetchone()
    subscription = {"id": new_id(), "report_id": report_id, "url": url, "key_prefix": key_prefix}
    added = await (await conn.execute(_SQL["subscribe"], subscription)).fetchone()
    if added is not None and state is not None and state[0] in _FINAL:
        await conn.execute(_SQL["announce_to_subscriber"], subscription)


async def unsubscribe(conn: AsyncConnection, report_id: UUID, key_prefix: str) -> None:
    """Send nothing about a report that has not ended to the addresses of this key."""
    await conn.execute(_SQL["unsubscribe"], {"report_id": report_id, "key_prefix": key_prefix})


async def require_secret(conn: AsyncConnection, key_prefix: str) -> None:
    """Raise `WebhookSecretMissing` if the key has no secret to sign deliveries to a `webhook_url`."""
    known = await (await conn.execute(_SQL["has_secret"], {"key_prefix": key_prefix})).fetchone()
    if known != (True,):
        raise WebhookSecretMissing(
            "this key has no webhook secret, and calls to a webhook_url are signed: create one with POST /v1/webhook-secret"
        )


async def list_deliveries(
    conn: AsyncConnection,
    *,
    endpoint_id: UUID | None = None,
    report_id: UUID | None = None,
    state: DeliveryState | None = None,
    limit: int,
) -> list[StoredDelivery]:
    """Return the newest deliveries that match."""
    return await _query_deliveries(
        conn, id=None, endpoint_id=endpoint_id, report_id=report_id, state=state, limit=limit
    )


async def resend_delivery(conn: AsyncConnection, delivery_id: UUID, *, by: str) -> StoredDelivery:
    """Send a delivery again, under the same webhook-id. Raises `DeliveryNotFound`, or `DeliveryBusy` while it is sent."""
    resent = await conn.execute(_SQL["resend_delivery"], {"id": delivery_id, "keep_trying": KEEP_TRYING})
    found = await _query_deliveries(
        conn, id=delivery_id, endpoint_id=None, report_id=None, state=None, limit=1
    )
    if not found:
        raise DeliveryNotFound(
            f"webhook delivery {delivery_id} does not exist: GET /v1/webhook-deliveries lists the deliveries"
        )
    if resent.rowcount == 0:
        raise DeliveryBusy(f"delivery {delivery_id} is being sent now: try again in a minute if it fails")
    await record_async(conn, by, "webhook.resent", str(delivery_id))
    return found[0]


async def _query_endpoints(conn: AsyncConnection, endpoint_id: UUID | None) -> list[Endpoint]:
    async with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(_SQL["list_endpoints"], {"id": endpoint_id})
        return await cursor.fetchall()


async def _query_deliveries(conn: AsyncConnection, **chosen: object) -> list[StoredDelivery]:
    async with conn.cursor(row_factory=class_row(StoredDelivery)) as cursor:
        await cursor.execute(_SQL["list_deliveries"], chosen)
        return await cursor.fetchall()
