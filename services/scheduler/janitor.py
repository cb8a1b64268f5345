"""What the scheduler does beside its sweeps, since it takes as long as the object store does: files come and go.

Everything here may be done twice or broken off: the rows are changed first, or last, so that the next round makes good.
"""

import time
from collections.abc import Callable
from threading import Event, Thread

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.forget_reports import (
    drop_old_weeks,
    forget_imports,
    forget_rejects,
    forget_reports,
    forget_requests,
)
from services.scheduler.schedules.due import deliver
from shared import failpoints
from shared.db.connect import borrowed
from shared.errors import InfrastructureError
from shared.metrics.registry import FILES_LOST, IDEMPOTENCY_FORGOTTEN, REPORTS_EXPIRED
from shared.reports.retention import Swept, expire_reports, remove_files, sweep_bucket
from shared.settings import Settings
from shared.storage import Storage

_log = structlog.get_logger()


def retire(pool: ConnectionPool, storage: Storage, settings: Settings) -> int:
    """Expire reports whose time is over and remove their files; returns how many."""
    with borrowed(pool) as conn:
        expired = expire_reports(conn, settings.report_ttl_s)
    if expired:
        failpoints.hit("retire.after_commit")
    REPORTS_EXPIRED.inc(len(expired))
    for report_id in expired:  # the mark is committed: what fails from here on is the janitor's
        _log.info("report_expired", report_id=str(report_id), objects=remove_files(storage, report_id))
    return len(expired)


def clean(
    pool: ConnectionPool, storage: Storage, settings: Settings, keep_going: Callable[[], bool] = lambda: True
) -> Swept:
    """Look through the bucket for what nothing points to, and remove it; ends early once `keep_going` says no."""
    with borrowed(pool) as conn:
        conn.autocommit = True  # a look takes as long as the store; it must not hold a snapshot
        try:
            swept = sweep_bucket(conn, storage, settings.report_ttl_s, keep_going=keep_going)
        finally:
            conn.autocommit = False
    _log.info("bucket_swept", **vars(swept))
    if swept.lost is not None:
        FILES_LOST.set(swept.lost)
    return swept


def forget(pool: ConnectionPool, storage: Storage, settings: Settings) -> None:
    """Drop weeks of polls, and remove rejected rows, imports, reports and Idempotency-Keys, that are older than they are kept."""
    with borrowed(pool) as conn:
        conn.autocommit = True  # each step is a transaction of its own
        try:
            weeks = list(drop_old_weeks(conn, settings.polls_keep_days))
            rejects = forget_rejects(conn, settings.rejects_keep_days)
            imports = forget_imports(conn, settings.imports_keep_days)
            reports = forget_reports(conn, storage, settings.reports_keep_days)
            keys = forget_requests(conn)
        finally:
            conn.autocommit = False
    IDEMPOTENCY_FORGOTTEN.inc(keys)
    if weeks or rejects or imports or reports or keys:
        _log.info(
            "forgotten",
            weeks=weeks,
            rejects=rejects,
            imports=imports,
            reports=reports,
            idempotency_keys=keys,
        )


class Housekeeper(Thread):
    """Delivers and removes files every `sweep_s` seconds; every `janitor_s` it forgets what is old and looks through the bucket."""

    def __init__(self, pool: ConnectionPool, storage: Storage, settings: Settings) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._pool, self._storage, self._settings = pool, storage, settings
        self._clean_at_s = time.monotonic() + settings.janitor_s
        self._stopping = Event()
        self._was_well = True
        self._error: BaseException | None = None

    def is_well(self) -> bool:
        """Whether every server was there in the last round. Raises what ended the rounds."""
        if self._error is not None:
            raise self._error
        return self._was_well

    def stop(self, grace_s: float) -> None:
        """Begin nothing new, and wait a little for what is under way; the next scheduler makes good what is not done then."""
        self._stopping.set()
        self.join(grace_s)

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._was_well = self._round()
                self._stopping.wait(self._settings.sweep_s)
        except BaseException as error:  # noqa: BLE001 - told by `is_well`
            self._error = error

    def _round(self) -> bool:
        pool, storage, settings = self._pool, self._storage, self._settings
        well = attempt(lambda: deliver(pool, storage, self._goes_on))
        well &= attempt(lambda: retire(pool, storage, settings))
        if time.monotonic() >= self._clean_at_s and self._goes_on():
            self._clean_at_s = time.monotonic() + settings.janitor_s
            well &= attempt(lambda: forget(pool, storage, settings))
            well &= attempt(lambda: clean(pool, storage, settings, self._goes_on))
        return well

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()


def attempt(step: Callable[[], object]) -> bool:
    """Whether the step could be done: not without its servers, nor when Postgres broke off a statement or a deadlock."""
    try:
        step()
    except (InfrastructureError, psycopg.OperationalError) as error:
        _log.warning("sweep_skipped", error=str(error))
        return False
    return True
