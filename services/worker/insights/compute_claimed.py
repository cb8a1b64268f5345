"""The use case of one claimed batch of insights: count the hours that are missing, and complete with them."""

from functools import partial
from typing import Final

import psycopg
import structlog

from services.worker.context import WorkerContext
from services.worker.insights.compute import CountedHours, count_hours
from services.worker.insights.plan import HoursPlan, made_by, plan_hours
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import Snapshot
from services.worker.store_batch import ComputedBatch, compute_store_batch
from shared.db.arrays import byte_array, key_array
from shared.db.queries import queries
from shared.errors import InfrastructureError
from shared.insights.history import HOURS
from shared.reports.batch import Batch, BatchLease
from shared.reports.complete import Completion

_SQL = queries("insights")
# A ring takes several times its size while it is sent.
_ROWS_AT_ONCE: Final = 250
_log = structlog.get_logger()


class HoursOvertaken(InfrastructureError):
    """Another run has counted hours of the same stores meanwhile, so this one must look again what they lack."""


def compute_claimed_insights(
    context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal
) -> Completion | None:
    """Count and commit the hours of a batch. Return None if its lease was lost before.

    Hours that an earlier attempt or run has committed are not counted again, unless a change has touched them since.
    """
    batch = lease.batch

    def compute(conn: psycopg.Connection, snapshot: Snapshot) -> ComputedBatch:
        plan = plan_hours(conn, batch)
        counted = count_hours(conn, plan, snapshot)
        _log.info("hours_counted", stores=batch.stores, counted=len(counted.keys))
        return ComputedBatch(
            counted.failed, lambda conn: partial(_write_hours, conn, batch, plan, counted, snapshot.seq)
        )

    return compute_store_batch(context, lease, renewal, compute)


def _write_hours(
    conn: psycopg.Connection, batch: Batch, plan: HoursPlan, counted: CountedHours, seq: int
) -> None:
    """Replace the rings, unless another run has replaced them since the plan was made. Raises `HoursOvertaken`."""
    asked = {"store_keys": key_array(plan.stores.keys)}
    if dict(conn.execute(_SQL["lock_hours"], asked).fetchall()) != plan.seen:
        raise HoursOvertaken("another run counted hours of the same stores meanwhile; the batch runs again")
    if counted.failed_keys:
        conn.execute(_SQL["forget_hours"], {"store_keys": key_array(counted.failed_keys)})
    about = {"last_day": batch.last_day, "seq": seq, "made_by": made_by()}
    for first in range(0, len(counted.keys), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        rows = {
            "store_keys": key_array(counted.keys[some]),
            "minutes": byte_array(plan.rings[counted.places[some]].reshape(-1, 3 * HOURS)),
            "coming": byte_array(counted.coming[some]),
        }
        conn.execute(_SQL["set_hours"], {**about, **rows})
