"""Giving a lease back; through an outage of the database too, since a claim must not count because of that."""

import time
from collections.abc import Callable

import psycopg
import structlog

from services.worker.context import WorkerContext
from shared.db.connect import borrowed
from shared.errors import DatabaseUnavailable

_log = structlog.get_logger()
_EVERY_S = 0.5
_WITHIN_S = 600.0  # twice the longest outage that is rehearsed; after that the claim counts


def give_back(
    context: WorkerContext, release: Callable[[psycopg.Connection], object], *, patient: bool
) -> None:
    """Call `release` once the database lets it; not `patient`: if it does so now. A lease not given back runs out."""
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
