"""Sets and calls hooks of a running service, as an administrator and as a sender without a key."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi.testclient import TestClient
from standardwebhooks import Webhook

AT: Final = "2024-09-02T10:00:00Z"
MAPPING: Final[Mapping[str, Any]] = {
    "store_id": "/store",
    "observed_at": "/at",
    "status": "/state",
    "statuses": {"ONLINE": "active", "OFFLINE": "inactive", "HIDDEN": "ignore"},
    "reason": "/why",
    "reasons": {"PAUSED_BY_RESTAURANT": "paused_by_store", "NONE": ""},
    "until": "/until",
    "event": True,
}
TOKEN: Final = "a-token-that-is-long-enough"
BY_TOKEN: Final = {"scheme": "token", "header": "X-Token"}


def put(service: TestClient, name: str = "pos", **body: Any) -> dict[str, Any]:
    given = {"mapping": MAPPING, "signature": {"scheme": "standard_webhooks"}} | body
    answer = service.put(f"/v1/hooks/{name}", json=given)
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def item(store: str = "a", at: object = AT, state: str = "OFFLINE", **more: Any) -> dict[str, Any]:
    return {"store": store, "at": at, "state": state, **more}


def signed(secret: str, body: bytes, message: str = "m1", at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, at, body.decode()),
        "Content-Type": "application/json",
    }


def send(
    service: TestClient, payload: object, headers: Mapping[str, str], name: str = "pos", status: int = 200
) -> dict[str, Any]:
    """Call the hook without the test's API key."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    anonymous = {"Content-Type": "application/json", **headers}
    key = service.headers.pop("authorization")
    try:
        answer = service.post(f"/v1/hooks/{name}", content=body, headers=anonymous)
    finally:
        service.headers["authorization"] = key
    assert answer.status_code == status, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def by_token(service: TestClient, payload: object, status: int = 200, **headers: str) -> dict[str, Any]:
    return send(service, payload, {"X-Token": TOKEN, **headers}, status=status)


def counts(body: Mapping[str, Any]) -> tuple[int, ...]:
    """Return accepted, duplicate, corrected, rejected and ignored items."""
    return tuple(body[name] for name in ("accepted", "duplicate", "corrected", "rejected", "ignored"))
