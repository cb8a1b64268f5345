"""The scheduler's look for killed workers: twice a second, on a session of its own, beside the sweeps."""

import time
from collections.abc import Sequence
from contextlib import closing
from threading import Event, Thread

import psycopg
import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg.errors import DeadlockDetected, QueryCanceled

from shared.contracts import FinaliseReport, Wake
from shared.db.connect import connect
from shared.errors import InfrastructureError, QueueUnavailable
from shared.metrics.registry import CLAIMS_RETURNED, LEASES_TAKEN_BACK, REPUBLISHED
from shared.queue import publish
from shared.queue_state import QueueProbe
from shared.reports.presence import Look, TakenBack, look, return_claims, take_back, take_retries
from shared.settings import Settings

LOOK_EVERY_S = 0.5
_SETTLE_S = 10.0  # workers come back within 1 to 6 s, as long as the server lets them
_RECONNECT_S = 1.0
_STATEMENT_TIMEOUT_S = 10.0
_log = structlog.get_logger()


class Recovery(Thread):
    """Takes back what an absent worker held, and publishes retries ahead of the backlog as soon as they are due.

    A worker is absent when two looks in a row miss its session. After Postgres has started, or has cut this thread's own
    session, all sessions are gone at once: for 10 s nobody is then called absent, and leases run out as they always did.
    """

    def __init__(self, broker: RedisBroker, settings: Settings) -> None:
        super().__init__(name="recovery", daemon=True)
        self._broker, self._settings = broker, settings
        self._missed: frozenset[int] = frozenset()
        self._settled_at_s = float("-inf")
        self._stopping = Event()
        self._was_well = True
        self._error: BaseException | None = None

    def is_well(self) -> bool:
        """Whether every server was there at the last look. Raises what ended the looks."""
        if self._error is not None:
            raise self._error
        return self._was_well

    def stop(self, grace_s: float) -> None:
        """Begin nothing new, and wait a little for what is under way."""
        self._stopping.set()
        self.join(grace_s)

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._look_on_one_session()
                except (InfrastructureError, psycopg.OperationalError) as error:
                    self._was_well = False
                    _log.warning("recovery_interrupted", error=str(error))
                    self._forget()
                    self._stopping.wait(_RECONNECT_S)
        except BaseException as error:  # noqa: BLE001 - told by `is_well`
            self._error = error

    def _forget(self) -> None:
        """What was seen before says nothing any more, and workers need time to come back."""
        self._missed = frozenset()
        self._settled_at_s = time.monotonic() + _SETTLE_S

    def _look_on_one_session(self) -> None:
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
                    self._was_well = self._look_once(conn, queue)
                except (QueryCanceled, DeadlockDetected) as error:  # the session goes on
                    self._was_well = False
                    _log.warning("look_skipped", error=str(error))
                self._stopping.wait(LOOK_EVERY_S)

    def _look_once(self, conn: psycopg.Connection, queue: QueueProbe) -> bool:
        """Do what one look calls for; False when Redis does not take the messages."""
        seen = look(conn, settle_s=_SETTLE_S, max_attempts=self._settings.max_attempts)
        if seen.has_returned and (returned := return_claims(conn)):
            CLAIMS_RETURNED.inc(returned)
            _log.warning("claims_returned", claims=returned)
        taken = self._take_back(conn, seen)
        if not (taken.batches or taken.due or seen.has_retries):
            return True
        return self._publish_retries(conn, queue, taken.due)

    def _take_back(self, conn: psycopg.Connection, seen: Look) -> TakenBack:
        """End the leases of the workers that this look and the one before missed."""
        gone = seen.absent & self._missed
        self._missed = seen.absent
        if not gone or not seen.is_settled or time.monotonic() < self._settled_at_s:
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
        """Publish ahead of the backlog. While Redis is away the rows stay due, and workers look in Postgres themselves."""
        if not queue.takes_messages():
            return False
        retries = take_retries(
            conn, republish_s=self._settings.republish_s, max_attempts=self._settings.max_attempts
        )
        wakes: list[Wake] = [*finalisations, *retries]
        try:
            publish(self._broker, wakes, ahead=True)
        except QueueUnavailable as error:  # a sweep publishes them again
            _log.warning("publish_failed", error=str(error))
            return False
        REPUBLISHED.inc(len(wakes))
        if wakes:
            _log.info("republished", messages=len(wakes))
        return True
