"""Calls for webhooks, and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uptill_client.paths import encode_segment
from uptill_client.transport import Transport

_ENDPOINTS, _DELIVERIES = "/v1/webhook-endpoints", "/v1/webhook-deliveries"


@dataclass(frozen=True)
class WebhookEndpoint:
    """A URL that is called when reports end. `secret` is set only in the answer of `create_endpoint`."""

    id: str
    url: str
    events: Sequence[str]
    description: str
    state: str
    disabled_because: str | None
    failing_since: datetime | None
    created_at: datetime
    secret: str | None = None


@dataclass(frozen=True)
class WebhookDelivery:
    """The delivery of one event to one URL. `id` is sent as the header `webhook-id`."""

    id: str
    endpoint_id: str | None
    url: str
    report_id: str
    event: str
    state: str
    attempt: int
    due_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class _Endpoints:
    endpoints: Sequence[WebhookEndpoint]


@dataclass(frozen=True)
class _Deliveries:
    deliveries: Sequence[WebhookDelivery]


@dataclass(frozen=True)
class _Secret:
    secret: str


class WebhookCalls:
    """Calls for webhooks. Each call raises `ApiError` on failure."""

    _api: Transport

    def create_endpoint(
        self, url: str, *, events: Sequence[str] | None = None, description: str = ""
    ) -> WebhookEndpoint:
        """Register a URL for the given events; None means every event. The answer has the `secret`."""
        body = {"url": url, "description": description} | ({"events": list(events)} if events else {})
        return self._api.call(WebhookEndpoint, "POST", _ENDPOINTS, json=body)

    def endpoints(self) -> Sequence[WebhookEndpoint]:
        """Return all webhook endpoints, oldest first."""
        return self._api.call(_Endpoints, "GET", _ENDPOINTS).endpoints

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete a webhook endpoint and its deliveries."""
        self._api.call(type(None), "DELETE", f"{_ENDPOINTS}/{encode_segment(endpoint_id)}")

    def enable_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Enable a disabled webhook endpoint."""
        return self._api.call(WebhookEndpoint, "POST", f"{_ENDPOINTS}/{encode_segment(endpoint_id)}/enable")

    def make_webhook_secret(self) -> str:
        """Create and return the secret that signs calls to the `webhook_url` of this key's reports."""
        return self._api.call(_Secret, "POST", "/v1/webhook-secret").secret

    def deliveries(
        self,
        *,
        endpoint_id: str | None = None,
        report_id: str | None = None,
        state: str | None = None,
        limit: int = 100,
    ) -> Sequence[WebhookDelivery]:
        """Return up to `limit` deliveries, newest first."""
        chosen = {"endpoint_id": endpoint_id, "report_id": report_id, "state": state, "limit": str(limit)}
        given = {name: value for name, value in chosen.items() if value is not None}
        return self._api.call(_Deliveries, "GET", _DELIVERIES, params=given).deliveries

    def resend(self, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again, with the same `webhook-id`."""
        return self._api.call(WebhookDelivery, "POST", f"{_DELIVERIES}/{encode_segment(delivery_id)}/resend")
