"""Threads that send due webhooks. Several schedulers may run: each delivery is leased to one of them at a time."""

import threading
import time
from contextlib import suppress

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
from shared.errors import InfrastructureError
from shared.metrics.registry import DUTIES_FAILED, WEBHOOK_ATTEMPTS
from shared.webhooks.model import DeliveryLease

_log = structlog.get_logger()
_POLL_EVERY_S = 0.5
_TIDY_EVERY_ROUNDS = 600
# The longest that a resolver may take. Python cannot limit it.
_RESOLVER_S = 45.0


class WebhookSender:
    """Sends deliveries in threads between `start` and `stop`. A stop makes what is being sent due again at once."""

    def __init__(
        self, pool: ConnectionPool, dialer: Dialer, threads: int, limits: DeliveryLimits = USUAL_LIMITS
    ) -> None:
        self._pool = pool
        self._bounds = limits
        self._dialer = dialer
        self._lease_s = 2 * dialer.timeout_s + _RESOLVER_S
        self._stopping = threading.Event()
        self._in_hand: set[DeliveryLease] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(number == 0,), name=f"webhooks-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start sending."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """Begin nothing new, wait up to `grace_s` seconds for answers, and give back the rest."""
        self._stopping.set()
        deadline = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        held = list(self._in_hand)
        if held:
            with suppress(InfrastructureError), borrowed(self._pool) as conn:
                release_deliveries(conn, held)

    def _run(self, tidies: bool) -> None:  # noqa: FBT001 - one of the threads also tidies
        rounds = 0
        while not self._stopping.wait(_POLL_EVERY_S):
            try:
                while not self._stopping.is_set() and self._send_one():
                    pass
                if tidies and rounds % _TIDY_EVERY_ROUNDS == 0:
                    with borrowed(self._pool) as conn:
                        tidy_deliveries(conn)
            except InfrastructureError as error:
                _log.warning("deliveries_skipped", error=str(error))
            except Exception:  # noqa: BLE001 - it is logged, and the next round may succeed
                DUTIES_FAILED.labels("webhooks").inc()
                _log.exception("delivery_failed")
            rounds += 1

    def _send_one(self) -> bool:
        """Claim and send one delivery. Return False if none is due."""
        with borrowed(self._pool) as conn:
            lease = claim_delivery(conn, self._lease_s, self._bounds)
        if lease is None:
            return False
        self._in_hand.add(lease)
        try:
            log = _log.bind(**lease.log_context)
            outcome = attempt_delivery(self._dialer, lease)
            WEBHOOK_ATTEMPTS.labels("delivered" if outcome.is_success else "failed").inc()
            failpoints.hit("webhook.after_send")
            with borrowed(self._pool) as conn:
                disabled = record_outcome(conn, lease, outcome)
        finally:
            self._in_hand.discard(lease)
        log.info("delivery_attempted", status=outcome.status, error=outcome.error)
        if disabled is not None:
            log.warning("endpoint_disabled", endpoint=str(disabled))
        return True
