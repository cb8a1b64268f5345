"""The calls about webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uptill_client.transport import Transport

_ENDPOINTS, _DELIVERIES = "/v1/webhook-endpoints", "/v1/webhook-deliveries"


@dataclass(frozen=True)
class WebhookEndpoint:
    """An address that is told of reports. `secret` is given once, when the endpoint is made."""

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
    """One event to one address; `id` is its webhook-id."""

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
    """Endpoints, the signing secret of the key, deliveries. Every call raises `ApiError`."""

    _api: Transport

    def create_endpoint(
        self, url: str, *, events: Sequence[str] | None = None, description: str = ""
    ) -> WebhookEndpoint:
        """Register an address; None: it is told of every event."""
        body = {"url": url, "description": description} | ({"events": list(events)} if events else {})
        return self._api.call(WebhookEndpoint, "POST", _ENDPOINTS, json=body)

    def endpoints(self) -> Sequence[WebhookEndpoint]:
        """All of them, oldest first."""
        return self._api.call(_Endpoints, "GET", _ENDPOINTS).endpoints

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Forget an endpoint with its deliveries."""
        self._api.call(type(None), "DELETE", f"{_ENDPOINTS}/{endpoint_id}")

    def enable_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Send to a disabled endpoint again."""
        return self._api.call(WebhookEndpoint, "POST", f"{_ENDPOINTS}/{endpoint_id}/enable")

    def make_webhook_secret(self) -> str:
        """Make the secret that signs deliveries to the `webhook_url` of this key's reports."""
        return self._api.call(_Secret, "POST", "/v1/webhook-secret").secret

    def deliveries(
        self,
        *,
        endpoint_id: str | None = None,
        report_id: str | None = None,
        state: str | None = None,
        limit: int = 100,
    ) -> Sequence[WebhookDelivery]:
        """The newest deliveries that fit."""
        chosen = {"endpoint_id": endpoint_id, "report_id": report_id, "state": state, "limit": str(limit)}
        given = {name: value for name, value in chosen.items() if value is not None}
        return self._api.call(_Deliveries, "GET", _DELIVERIES, params=given).deliveries

    def resend(self, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again, under the same webhook-id."""
        return self._api.call(WebhookDelivery, "POST", f"{_DELIVERIES}/{delivery_id}/resend")
