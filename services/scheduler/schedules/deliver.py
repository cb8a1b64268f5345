"""Copy the files of finished scheduled reports below `deliveries/` in the same bucket, each under one fixed key."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta

import psycopg
import structlog
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import ObjectLost, StorageUnavailable, UptillError
from shared.metrics.registry import OBJECTS_REFUSED
from shared.reports.formats import CONTENT_TYPES, FileFormat, FileKind
from shared.reports.retention import DELIVERIES_PREFIX
from shared.schedules.model import FileDelivery
from shared.storage import Storage

_SQL = queries("schedules")
_LEASE = timedelta(minutes=10)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
# The janitor has other work.
_MOST_AT_ONCE = 100
_log = structlog.get_logger()


def deliver_files(
    pool: ConnectionPool, storage: Storage, may_continue: Callable[[], bool] = lambda: True
) -> None:
    """Deliver the files of finished reports until none waits, or `may_continue` returns False."""
    for _ in range(_MOST_AT_ONCE):
        if not may_continue() or (delivery := deliver_one(pool, storage)) is None:
            return
        log = _log.bind(
            schedule=str(delivery.schedule_id), report_id=str(delivery.report_id), attempt=delivery.attempt
        )
        if delivery.error is None:
            log.info("files_delivered")
        else:
            log.warning("files_not_delivered", error=delivery.error)
            if delivery.is_lost:
                OBJECTS_REFUSED.labels("delivery").inc()


def deliver_one(pool: ConnectionPool, storage: Storage) -> FileDelivery | None:
    """Copy the files of one succeeded report. Return the attempt, or None if no delivery waits.

    Each file is verified while it is copied. A copy that fails is tried again until the report's files expire. The
    same holds if its scheduler died, or if a file is missing or was changed: someone may put it back.
    """
    with borrowed(pool) as conn:
        conn.execute(_SQL["give_up_deliveries"])
        delivery = _claim_delivery(conn)
    if delivery is None:
        return None
    run = {"schedule_id": delivery.schedule_id, "due_at": delivery.due_at, "attempt": delivery.attempt}
    keys = []
    try:
        for source, kind, file_format in zip(delivery.sources, delivery.kinds, delivery.formats, strict=True):
            keys.append(target_key(delivery, file_format, kind))
            storage.copy(source, keys[-1], CONTENT_TYPES[file_format])
    except Exception as error:  # noqa: BLE001 - whatever it is, other deliveries must not wait for this one
        if not isinstance(error, (StorageUnavailable, ObjectLost)):
            _log.exception("delivery_broken", schedule=str(delivery.schedule_id))
        cause = str(error) if isinstance(error, UptillError) else f"{type(error).__name__}: {error}"
        pauses = {"first_pause": _FIRST_PAUSE, "longest_pause": _LONGEST_PAUSE}
        with borrowed(pool) as conn:
            conn.execute(_SQL["record_failure"], {**run, **pauses, "error": cause})
        return replace(delivery, error=cause, is_lost=isinstance(error, ObjectLost))
    failpoints.hit("delivery.after_copy")
    with borrowed(pool) as conn:
        conn.execute(_SQL["record_delivered"], {**run, "objects": keys})
    return delivery


def target_key(delivery: FileDelivery, file_format: FileFormat, kind: FileKind = "report") -> str:
    """Return the key of a delivered file: readable, the same at every attempt, and unique to its schedule."""
    due = delivery.due_at.astimezone(UTC)
    what = "" if kind == "report" else f"-{kind}"
    return f"{DELIVERIES_PREFIX}{delivery.stem}-{due:%Y%m%dT%H%M%SZ}-{delivery.schedule_id.hex[-12:]}{what}.{file_format}"


def _claim_delivery(conn: psycopg.Connection) -> FileDelivery | None:
    with conn.cursor(row_factory=class_row(FileDelivery)) as cursor:
        return cursor.execute(_SQL["claim_delivery"], {"lease": _LEASE}).fetchone()
