"""Keeping a lease while a stage of the work takes long: a slow server must not look like a dead worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import QueryCanceled

from services.worker.context import WorkerContext
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable
from shared.reports.claim import renew_batch
from shared.reports.model import BatchLease

_PARTS = 3  # of the lease: a renewal that fails has a second try
_AT_MOST_S = 300.0  # a stage that takes longer hangs: its batch is for another worker


@contextmanager
def kept(context: WorkerContext, lease: BatchLease) -> Iterator[None]:
    """Renew the lease while the block runs, from a third of it on.

    A lease that was lost stays lost, and a frozen process renews nothing. Failpoints are hit outside: one that sleeps
    is a process that does nothing.
    """
    ended = threading.Event()
    keeper = threading.Thread(target=_renew, args=(context, lease, ended), name="keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()


def _renew(context: WorkerContext, lease: BatchLease, ended: threading.Event) -> None:
    until_s = time.monotonic() + _AT_MOST_S
    while not ended.wait(context.terms.lease_s / _PARTS) and time.monotonic() < until_s:
        try:
            with borrowed(context.pool) as conn:
                if not renew_batch(conn, lease, context.terms):
                    return
        except (DatabaseUnavailable, QueryCanceled):
            continue  # perhaps the next one gets through
