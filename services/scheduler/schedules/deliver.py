"""Copying the files of finished reports below `deliveries/` in the same bucket, until it is done: each under one key for ever."""

from dataclasses import replace
from datetime import UTC, timedelta

import psycopg
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import ObjectLost, StorageUnavailable
from shared.reports.model import CONTENT_TYPES, FileFormat
from shared.schedules.model import Shipment
from shared.storage import Storage

PREFIX = "deliveries/"
_SQL = queries("schedules")
_LEASE = timedelta(minutes=10)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)


def deliver_one(pool: ConnectionPool, storage: Storage) -> Shipment | None:
    """Copy the files of one report that has succeeded; returns what was tried, None when nothing waits.

    Each file is verified while it is copied. A copy that fails is tried again until the report's files expire, and so is
    one whose scheduler died, or whose file is gone or was changed: somebody may put it back.
    """
    with borrowed(pool) as conn:
        conn.execute(_SQL["give_up_deliveries"])
        shipment = _claim(conn)
    if shipment is None:
        return None
    which = {"schedule_id": shipment.schedule_id, "due_at": shipment.due_at, "attempt": shipment.attempt}
    keys = []
    try:
        for source, file_format in zip(shipment.sources, shipment.formats, strict=True):
            keys.append(target_key(shipment, file_format))
            storage.copy(source, keys[-1], CONTENT_TYPES[file_format])
    except (StorageUnavailable, ObjectLost) as error:
        pauses = {"first_pause": _FIRST_PAUSE, "longest_pause": _LONGEST_PAUSE}
        with borrowed(pool) as conn:
            conn.execute(_SQL["record_failure"], {**which, **pauses, "error": str(error)})
        return replace(shipment, error=str(error), is_lost=isinstance(error, ObjectLost))
    failpoints.hit("delivery.after_copy")
    with borrowed(pool) as conn:
        conn.execute(_SQL["record_delivered"], {**which, "objects": keys})
    return shipment


def target_key(shipment: Shipment, file_format: FileFormat) -> str:
    """Where a file goes: readable, the same at every attempt, and of no other schedule."""
    due = shipment.due_at.astimezone(UTC)
    return f"{PREFIX}{shipment.stem}-{due:%Y%m%dT%H%M%SZ}-{shipment.schedule_id.hex[-12:]}.{file_format}"


def _claim(conn: psycopg.Connection) -> Shipment | None:
    with conn.cursor(row_factory=class_row(Shipment)) as cursor:
        return cursor.execute(_SQL["claim_delivery"], {"lease": _LEASE}).fetchone()
