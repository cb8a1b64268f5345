"""Things whose state does not allow what a call asks for."""

from shared.errors.base import UptillError


class DeliveryBusy(UptillError):
    """The webhook delivery is being sent right now."""


class WebhookSecretMissing(UptillError):
    """The API key has no secret for signing deliveries to a `webhook_url`."""


class IncidentHasEnded(UptillError):
    """The incident was resolved or withdrawn, so it cannot be acknowledged."""


class ClosureExists(UptillError):
    """The store, the labels or all stores already have a closure with this start."""


class KeyReplaced(UptillError):
    """The API key already has a successor."""
