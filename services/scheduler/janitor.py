"""The janitor: deliver finished files, remove expired ones, delete old data, and clean the bucket.

It has a thread of its own, because these steps take as long as the object store does. Each step can be repeated or
interrupted: its rows change first or last, so the next round completes it.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.duty import Duty, try_step
from services.scheduler.retention import (
    drop_old_weeks,
    forget_changes,
    forget_imports,
    forget_incidents,
    forget_rejects,
    forget_reports,
    forget_requests,
    forget_sessions,
    remove_left_weeks,
)
from services.scheduler.schedules.deliver import deliver_files
from shared import failpoints
from shared.db.connect import borrowed
from shared.metrics.registry import FILES_LOST, IDEMPOTENCY_FORGOTTEN, REPORTS_EXPIRED
from shared.reports.retention import BucketSweep, expire_reports, remove_files, sweep_bucket
from shared.settings import Settings
from shared.storage import Storage

_log = structlog.get_logger()


class Janitor(Duty):
    """Delivers and removes files every `sweep_s` seconds; deletes old data and cleans the bucket every `janitor_s`."""

    def __init__(self, pool: ConnectionPool, storage: Storage, settings: Settings) -> None:
        super().__init__("janitor")
        self._pool, self._storage, self._settings = pool, storage, settings
        self._clean_at_s = time.monotonic() + settings.janitor_s

    def perform(self) -> None:
        while not self._stopping.is_set():
            self._was_healthy = self._run_round()
            self._stopping.wait(self._settings.sweep_s)

    def _run_round(self) -> bool:
        pool, storage, settings = self._pool, self._storage, self._settings
        healthy = try_step("deliveries", lambda: deliver_files(pool, storage, self._may_continue))
        healthy &= try_step("expiry", lambda: remove_expired_files(pool, storage, settings))
        if time.monotonic() >= self._clean_at_s and self._may_continue():
            self._clean_at_s = time.monotonic() + settings.janitor_s
            healthy &= delete_old_data(pool, storage, settings)
            healthy &= try_step("bucket", lambda: clean_bucket(pool, storage, settings, self._may_continue))
        return healthy

    def _may_continue(self) -> bool:
        return not self._stopping.is_set()


def remove_expired_files(pool: ConnectionPool, storage: Storage, settings: Settings) -> int:
    """Mark reports as expired after `report_ttl_s` and remove their files; return how many reports."""
    with borrowed(pool) as conn:
        expired = expire_reports(conn, settings.report_ttl_s)
    if expired:
        failpoints.hit("expire.after_commit")
    REPORTS_EXPIRED.inc(len(expired))
    # The reports are committed as expired: files that cannot be removed now are left to `clean_bucket`.
    for report_id in expired:
        _log.info("report_expired", report_id=str(report_id), objects=remove_files(storage, report_id))
    return len(expired)


def clean_bucket(
    pool: ConnectionPool,
    storage: Storage,
    settings: Settings,
    may_continue: Callable[[], bool] = lambda: True,
) -> BucketSweep:
    """Remove objects that no row points to. Ends early once `may_continue` returns False."""
    with borrowed(pool) as conn:
        # Listing takes as long as the store does, and must not hold a snapshot for that time.
        conn.autocommit = True
        try:
            swept = sweep_bucket(conn, storage, settings.report_ttl_s, may_continue=may_continue)
        finally:
            conn.autocommit = False
    _log.info("bucket_swept", **vars(swept))
    if swept.lost is not None:
        FILES_LOST.set(swept.lost)
    return swept


def delete_old_data(pool: ConnectionPool, storage: Storage, settings: Settings) -> bool:
    """Delete what is older than the settings keep it: weeks of polls, rejected rows, imports, reports, sessions and others.

    Return False if a kind could not be deleted. The others are deleted all the same.
    """
    steps: Mapping[str, Callable[[psycopg.Connection], object]] = {
        "weeks": lambda conn: list(drop_old_weeks(conn, settings.polls_keep_days)),
        "sealed_objects": lambda conn: remove_left_weeks(conn, storage),
        "rejects": lambda conn: forget_rejects(conn, settings.rejects_keep_days),
        "imports": lambda conn: forget_imports(conn, settings.imports_keep_days),
        "reports": lambda conn: forget_reports(conn, storage, settings.reports_keep_days),
        "idempotency_keys": _forget_requests,
        "live_changes": forget_changes,
        "incidents": forget_incidents,
        "page_sessions": lambda conn: forget_sessions(conn, settings.page_idle_s, settings.page_session_s),
    }
    # Each of them, also after one that failed.
    results = [try_step(f"retention of {kind}", partial(_forget, pool, kind, steps[kind])) for kind in steps]
    return all(results)


def _forget(pool: ConnectionPool, kind: str, step: Callable[[psycopg.Connection], object]) -> None:
    with borrowed(pool) as conn:
        # Each statement is a transaction of its own.
        conn.autocommit = True
        try:
            forgotten = step(conn)
        finally:
            conn.autocommit = False
    if forgotten:
        _log.info("forgotten", **{kind: forgotten})


def _forget_requests(conn: psycopg.Connection) -> int:
    keys = forget_requests(conn)
    IDEMPOTENCY_FORGOTTEN.inc(keys)
    return keys
