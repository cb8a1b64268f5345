"""Release a lease, if necessary after an outage of the database: a claim must not count because of an outage."""

import time
from collections.abc import Callable

import psycopg
import structlog

from services.worker.context import WorkerContext
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable

_log = structlog.get_logger()
_EVERY_S = 0.5
# Twice the longest outage that is rehearsed. After that the claim counts.
_WITHIN_S = 600.0


def give_back(
    context: WorkerContext, release: Callable[[psycopg.Connection], object], *, patient: bool
) -> None:
    """Call `release`; if `patient`, repeat it until the database is back. A lease that stays unreleased expires."""
    until_s = time.monotonic() + (_WITHIN_S if patient else 0)
    while True:
        try:
            with borrowed(context.pool) as conn:
                release(conn)
        except DatabaseUnavailable:
            if time.monotonic() >= until_s:
                _log.warning("release_failed")
                return
            time.sleep(_EVERY_S)
        else:
            return
