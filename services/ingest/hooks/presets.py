"""Mappings and signatures for payloads whose shape is public. Each names the page that states it.

A platform is here only if its public documentation states store, instant and status of the payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class PayloadPreset:
    """Defaults of a hook's document, which it can override field by field."""

    summary: str
    source: str
    mapping: Mapping[str, Any]
    signature: Mapping[str, Any] = field(default_factory=dict)


_STANDARD: Final[Mapping[str, Any]] = {"scheme": "standard_webhooks", "tolerance_s": 300}
PRESETS: Final[Mapping[str, PayloadPreset]] = {
    "standard_webhooks": PayloadPreset(
        "Events of your own systems, signed as Standard Webhooks: `data` has the fields of a poll.",
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        {
            "store_id": "/data/store_id",
            "observed_at": ["/data/observed_at", "/timestamp"],
            "status": "/data/status",
            "reason": "/data/reason",
            "until": "/data/until",
            "event": True,
        },
        _STANDARD,
    ),
    "cloudevents": PayloadPreset(
        "CloudEvents 1.0, structured, binary or in batches: `subject` is the store, `time` the instant.",
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
        {
            "format": "cloudevents",
            "store_id": ["/data/store_id", "/subject"],
            "observed_at": ["/data/observed_at", "/time"],
            "status": "/data/status",
            "reason": "/data/reason",
            "until": "/data/until",
            "event": True,
        },
        _STANDARD,
    ),
    "doordash_deactivations": PayloadPreset(
        "DoorDash: a store was deactivated for a while. It does not report that the store is back early.",
        "https://developer.doordash.com/en-US/docs/marketplace/how_to/store_temp_deac",
        {
            "only": {"/event/type": ["Store Temporarily Deactivated"]},
            "store_id": ["/store/merchant_supplied_id", "/store/doordash_store_id"],
            # The page describes them within `event`, and its sample has them beside it.
            "observed_at": ["/start_time", "/event/start_time"],
            "until": ["/end_time", "/event/end_time"],
            "status": "=inactive",
            "reason": "=paused_by_platform",
            "event": True,
        },
        {"scheme": "token", "header": "Authorization"},
    ),
    "toast_availability": PayloadPreset(
        "Toast: a restaurant went offline or came back online. Choose the signature yourself.",
        "https://doc.toasttab.com/doc/devguide/apiRxAvailabilityWebhook.html",
        {
            "only": {"/eventCategory": ["restaurant_availability"]},
            "store_id": "/details/restaurantGuid",
            "observed_at": "/timestamp",
            "status": "/details/status",
            "statuses": {"ONLINE": "active", "OFFLINE": "inactive"},
            "reason": "/details/reasonKey",
            "reasons": {"AVAILABILITY_ONLINE": "", "AVAILABILITY_OFFLINE": "technical", "*": "other"},
            "event": True,
        },
    ),
}
