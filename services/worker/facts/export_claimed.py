"""The use case of one claimed batch of an export: write a month of facts into the bucket, unless it is there as it is."""

import json
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple

import psycopg
import structlog

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import one_snapshot
from services.worker.report_files import LeaseLost
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.reports.batch import ONLY_A_PART, Batch, BatchLease
from shared.reports.complete import Completion, complete_job
from shared.reports.retention import FACTS_PREFIX
from shared.storage import Storage, StoredObject

_SQL = queries("facts_export")
_log = structlog.get_logger()


class MonthBusy(InfrastructureError):
    """Another job writes the month, so this one looks again later whether it still has to."""


class _Month(NamedTuple):
    """The row of a month: what its facts are now, and what is in the bucket."""

    version: int
    written_version: int | None
    object: str | None
    size_bytes: int | None
    sha256: str | None

    def is_written(self, storage: Storage) -> bool:
        """Return whether the bucket has the month as its facts are now."""
        if self.version != self.written_version:
            return False
        return storage.holds(StoredObject(self.object or "", self.size_bytes or 0, self.sha256 or ""))


def export_claimed_month(
    context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal
) -> Completion | None:
    """Write the batch's month, then its manifest, then the row that points to both. Return None if the lease was lost.

    A reader finds the month before or the month after: an object is replaced as a whole. If this worker dies, the row says
    that the month is not written as it is now, so another attempt writes it again.
    """
    batch = lease.batch
    month = month_of(batch)
    asked = {"policy": batch.policy, "month": month}
    with borrowed(context.pool) as reader, renewal.entering(one_snapshot(reader)) as snapshot:
        # Held until the row is committed, so files and row of a month follow the same order.
        if reader.execute(_SQL["lock_month"], asked).fetchone() != (True,):
            raise MonthBusy(f"another job writes the facts of {month:%Y-%m}; the batch runs again")
        row = reader.execute(_SQL["get_month"], asked).fetchone()
        known = _Month(*row) if row else None
        written = None
        if known is not None and (batch.force or not known.is_written(context.storage)):
            try:
                written = _write(context.storage, reader, batch, renewal)
            except LeaseLost:
                return None
        with stage("complete"), borrowed(context.pool) as conn:
            record = {**asked, **written, "version": known.version} if written and known else None
            completion = complete_job(
                conn,
                lease,
                context.terms,
                read_seq=snapshot.seq,
                result=ONLY_A_PART,
                write=partial(_record, conn, record),
            )
    if written and not completion.accepted:
        # The object may be newer than what the row says.
        with borrowed(context.pool) as conn:
            conn.execute(_SQL["forget_month"], asked)
    _log.info("month_exported", month=f"{month:%Y-%m}", rows=written and written["rows"])
    return completion


def month_of(batch: Batch) -> date:
    """Return the first day of the batch's month."""
    assert batch.first_day is not None  # noqa: S101 - a job of kind facts_export has days
    months = batch.first_day.year * 12 + batch.first_day.month - 1 + batch.batch_no
    return date(months // 12, months % 12 + 1, 1)


def _write(
    storage: Storage, reader: psycopg.Connection, batch: Batch, renewal: LeaseRenewal
) -> dict[str, Any]:
    """Replace the object of the month and then its manifest. Return what the row says about them."""
    # The import takes 0.2 s and 40 MB.
    from services.worker.facts.month_file import columns_with_units, write_month  # noqa: PLC0415

    month = month_of(batch)
    folder = f"{FACTS_PREFIX}month={month:%Y-%m}/"

    with stage("upload"):
        stored, contents = write_month(
            reader, storage, f"{folder}{batch.policy}.parquet", (batch.policy, month), renewal
        )
        failpoints.hit("export.after_file")
        facts = {
            "object": stored.key,
            "rows": contents.rows,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
        }
        manifest = {
            "layout": 1,
            "policy": batch.policy,
            "month": f"{month:%Y-%m}",
            **facts,
            "first_day": contents.days and contents.days[0].isoformat(),
            "last_day": contents.days and contents.days[1].isoformat(),
            "computed_seq": contents.computed_seq and contents.computed_seq[1],
            "columns": columns_with_units(),
            "job": str(batch.report_id),
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps(manifest, indent=1).encode() + b"\n"
        storage.put(f"{folder}_{batch.policy}.json", text, "application/json")
        failpoints.hit("export.after_manifest")
    return facts


def _record(conn: psycopg.Connection, record: dict[str, Any] | None) -> None:
    if record is not None:
        conn.execute(_SQL["record_month"], record)
