"""Keeping a lease while the work takes long: a slow server must not look like a dead worker."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.errors import QueryCanceled

from services.worker.context import WorkerContext
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable
from shared.metrics.registry import CLAIMS_RETURNED

_PARTS = 3  # of the lease: a renewal that fails has a second try
_AT_MOST_S = 300.0  # a stage that takes longer hangs: its work is for another worker


class Keeper:
    """Renews a lease that was just given, by `renew`, which says whether it was still held, each time a third has passed.

    A lease that was lost stays lost, and a frozen process renews nothing. `return_claim` is called at a renewal that
    finds the lease lost: this worker lives, so the claim must not count, unless the work itself hangs.
    """

    def __init__(
        self,
        context: WorkerContext,
        renew: Callable[[psycopg.Connection], bool],
        return_claim: Callable[[psycopg.Connection], bool],
    ) -> None:
        self._pool = context.pool
        self._renew = renew
        self._return_claim = return_claim
        self._every_s = context.terms.lease_s / _PARTS
        self._due_s = time.monotonic() + self._every_s
        self._is_lost = False
        self._hangs = False

    def holds(self) -> bool:
        """Whether the lease is held: asks the database, and renews it, where that is due. Raises `DatabaseUnavailable`."""
        if not self._is_lost and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + self._every_s
            with borrowed(self._pool) as conn:
                self._is_lost = not self._renew(conn)
                if self._is_lost:
                    self.report_alive(conn)
        return not self._is_lost

    def report_alive(self, conn: psycopg.Connection) -> None:
        """Give the claim of a lost lease back. A stage that hung has deserved to lose it: its claim counts."""
        if not self._hangs and self._return_claim(conn):
            CLAIMS_RETURNED.inc()

    @contextmanager
    def during(self) -> Iterator[None]:
        """Renew the lease while the block runs. Failpoints are hit outside: one that sleeps is a process that does nothing."""
        ended = threading.Event()
        threading.Thread(target=self._run, args=(ended,), name="keeper", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _run(self, ended: threading.Event) -> None:
        until_s = time.monotonic() + _AT_MOST_S
        while not ended.wait(self._due_s - time.monotonic()) and time.monotonic() < until_s:
            try:
                if not self.holds():
                    return
            except (DatabaseUnavailable, QueryCanceled):
                continue  # perhaps the next one gets through
        self._hangs |= not ended.is_set()
