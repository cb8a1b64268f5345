"""Recover the work of killed workers: check twice a second who is gone, on a database session of its own."""

import time
from collections.abc import Sequence
from contextlib import closing

import psycopg
import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg.errors import DeadlockDetected, QueryCanceled

from services.scheduler.duty import Duty
from shared.contracts import FinaliseReport, Wake
from shared.db.connect import connect
from shared.errors import InfrastructureError, QueueUnavailable
from shared.metrics.registry import CLAIMS_RETURNED, LEASES_TAKEN_BACK, REPUBLISHED
from shared.queue import publish
from shared.queue_state import QueueProbe
from shared.reports.presence import (
    PresenceCheck,
    TakenBack,
    check_presence,
    return_claims,
    take_back,
    take_retries,
)
from shared.settings import Settings

_CHECK_EVERY_S = 0.5
# Workers reconnect within 1 to 6 s of a server that lets them.
_GRACE_S = 10.0
_RECONNECT_S = 1.0
_STATEMENT_TIMEOUT_S = 10.0
_log = structlog.get_logger()


class Recovery(Duty):
    """Takes back the leases of absent workers, and publishes retries ahead of the backlog as soon as they are due.

    A worker is absent if two checks in a row miss its session. When Postgres starts, or cuts this thread's own
    session, all sessions vanish at once. For 10 s after that no worker counts as absent, and leases only expire.
    """

    def __init__(self, broker: RedisBroker, settings: Settings) -> None:
        super().__init__("recovery")
        self._broker, self._settings = broker, settings
        self._missed: frozenset[int] = frozenset()
        self._grace_until_s = float("-inf")

    def perform(self) -> None:
        # After an error, an earlier check is not the one before.
        self._missed = frozenset()
        while not self._stopping.is_set():
            try:
                self._check_on_one_session()
            except (InfrastructureError, psycopg.OperationalError) as error:
                self._was_healthy = False
                _log.warning("recovery_interrupted", error=str(error))
                # Earlier checks mean nothing now, and workers need time to reconnect.
                self._missed = frozenset()
                self._grace_until_s = time.monotonic() + _GRACE_S
                self._stopping.wait(_RECONNECT_S)

    def _check_on_one_session(self) -> None:
        with (
            connect(
                self._settings.database_url.get_secret_value(),
                application_name="uptill-scheduler recovery",
                statement_timeout_s=_STATEMENT_TIMEOUT_S,
                autocommit=True,
            ) as conn,
            closing(QueueProbe(self._settings.redis_url.get_secret_value())) as queue,
        ):
            while not self._stopping.is_set():
                try:
                    self._was_healthy = self._recover_once(conn, queue)
                except (QueryCanceled, DeadlockDetected) as error:
                    # The session survives both.
                    self._was_healthy = False
                    _log.warning("presence_check_skipped", error=str(error))
                self._stopping.wait(_CHECK_EVERY_S)

    def _recover_once(self, conn: psycopg.Connection, queue: QueueProbe) -> bool:
        """Check once and do what follows from it. Return False if Redis does not take the messages."""
        check = check_presence(conn, grace_s=_GRACE_S, max_attempts=self._settings.max_attempts)
        if check.has_returned and (returned := return_claims(conn)):
            CLAIMS_RETURNED.inc(returned)
            _log.warning("claims_returned", claims=returned)
        taken = self._take_back_leases(conn, check)
        if not (taken.batches or taken.due or check.has_retries):
            return True
        return self._publish_retries(conn, queue, taken.due)

    def _take_back_leases(self, conn: psycopg.Connection, check: PresenceCheck) -> TakenBack:
        """End the leases of the workers that this check and the one before both missed."""
        gone = check.absent & self._missed
        self._missed = check.absent
        if not gone or not check.is_past_grace or time.monotonic() < self._grace_until_s:
            return TakenBack(0, 0)
        taken = take_back(conn, gone)
        if taken.batches or taken.finalisations:
            LEASES_TAKEN_BACK.labels("batch").inc(taken.batches)
            LEASES_TAKEN_BACK.labels("finalisation").inc(taken.finalisations)
            _log.warning(
                "leases_taken_back",
                workers=len(gone),
                batches=taken.batches,
                finalisations=taken.finalisations,
            )
        return taken

    def _publish_retries(
        self, conn: psycopg.Connection, queue: QueueProbe, finalisations: Sequence[FinaliseReport]
    ) -> bool:
        """Publish ahead of the backlog. While Redis is away the rows stay due, and workers find them in Postgres."""
        if not queue.takes_messages():
            return False
        retries = take_retries(
            conn, republish_s=self._settings.republish_s, max_attempts=self._settings.max_attempts
        )
        wakes: list[Wake] = [*finalisations, *retries]
        try:
            publish(self._broker, wakes, ahead=True)
        except QueueUnavailable as error:
            # A sweep publishes them again.
            _log.warning("publish_failed", error=str(error))
            return False
        REPUBLISHED.inc(len(wakes))
        if wakes:
            _log.info("republished", messages=len(wakes))
        return True
