"""Renew a lease while its work takes long: a slow server must not look like a dead worker."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import psycopg
from psycopg.errors import QueryCanceled

from services.worker.context import WorkerContext
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable
from shared.metrics.registry import CLAIMS_RETURNED

_Entered = TypeVar("_Entered")
# Renew after a third of the lease: a renewal that fails has a second try.
_PARTS = 3
# A stage that takes longer hangs, and its work is for another worker.
_AT_MOST_S = 300.0


class BatchLost(Exception):
    """No result of this attempt counts any more."""


class LeaseRenewal:
    """Renews a fresh lease each time a third of it has passed.

    `renew` returns whether the lease was still held. A lost lease stays lost, and a frozen process renews nothing.
    `return_claim` is called when a renewal finds the lease lost: this worker is alive, so its claim must not count,
    unless the work itself hangs.
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

    def is_held(self) -> bool:
        """Return whether the lease is held; renew it if that is due. Raises `DatabaseUnavailable`."""
        if not self._is_lost and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + self._every_s
            with borrowed(self._pool) as conn:
                self._is_lost = not self._renew(conn)
                if self._is_lost:
                    self.return_lost_claim(conn)
        return not self._is_lost

    def require_held(self) -> None:
        """Raise `BatchLost` unless the lease is held; as `is_held` otherwise."""
        if not self.is_held():
            raise BatchLost

    def return_lost_claim(self, conn: psycopg.Connection) -> None:
        """Return the claim of a lost lease, unless a stage hung: then the claim counts."""
        if not self._hangs and self._return_claim(conn):
            CLAIMS_RETURNED.inc()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease while the block runs.

        Failpoints are hit outside such blocks, so a sleeping one acts like a process that does nothing.
        """
        ended = threading.Event()
        threading.Thread(target=self._run, args=(ended,), name="lease-renewal", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    @contextmanager
    def entering(self, block: AbstractContextManager[_Entered]) -> Iterator[_Entered]:
        """Enter a block and renew the lease until it is entered, for one that waits at its begin, as a snapshot can."""
        with ExitStack() as stack:
            with self.renewing():
                entered = stack.enter_context(block)
            yield entered

    def _run(self, ended: threading.Event) -> None:
        until_s = time.monotonic() + _AT_MOST_S
        while not ended.wait(self._due_s - time.monotonic()) and time.monotonic() < until_s:
            try:
                if not self.is_held():
                    return
            except (DatabaseUnavailable, QueryCanceled):
                # The next renewal may succeed.
                continue
        self._hangs |= not ended.is_set()
