"""Deliveries of webhooks, as the sender's threads see them: claim, send, record."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.webhooks.attempt import attempt_delivery
from services.scheduler.webhooks.deliveries import (
    USUAL_LIMITS,
    DeliveryLimits,
    claim_delivery,
    record_outcome,
    release_deliveries,
    tidy_deliveries,
)
from services.scheduler.webhooks.dial import Dialer
from shared import failpoints
from shared.db.connect import borrowed
from shared.metrics.registry import WEBHOOK_ATTEMPTS
from shared.webhooks.model import DeliveryLease

_log = structlog.get_logger()
# The longest that a resolver may take. Python cannot limit it.
_RESOLVER_S = 45.0


@dataclass(frozen=True)
class WebhookOutbox:
    """Events at the end of reports, for webhook endpoints and the `webhook_url` of requests."""

    pool: ConnectionPool
    dialer: Dialer
    limits: DeliveryLimits = USUAL_LIMITS

    def claim(self) -> DeliveryLease | None:
        """Claim the delivery whose turn it is. Return None if none is due."""
        with borrowed(self.pool) as conn:
            return claim_delivery(conn, 2 * self.dialer.timeout_s + _RESOLVER_S, self.limits)

    def send(self, lease: DeliveryLease) -> None:
        """Make one attempt and record it."""
        log = _log.bind(**lease.log_context)
        outcome = attempt_delivery(self.dialer, lease)
        WEBHOOK_ATTEMPTS.labels("delivered" if outcome.is_success else "failed").inc()
        failpoints.hit("webhook.after_send")
        with borrowed(self.pool) as conn:
            disabled = record_outcome(conn, lease, outcome)
        log.info("delivery_attempted", status=outcome.status, error=outcome.error)
        if disabled is not None:
            log.warning("endpoint_disabled", endpoint=str(disabled))

    def release(self, leases: Iterable[DeliveryLease]) -> None:
        """Make what was not finished due again at once."""
        with borrowed(self.pool) as conn:
            release_deliveries(conn, leases)

    def tidy(self) -> None:
        """Give up what waited too long, and delete old deliveries."""
        with borrowed(self.pool) as conn:
            tidy_deliveries(conn)
