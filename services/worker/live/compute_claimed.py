"""The use case of one claimed batch of live state: load, compute, and write what differs."""

import structlog

from services.worker.context import WorkerContext
from services.worker.lease_renewal import LeaseRenewal
from services.worker.live.load import load_live
from services.worker.live.rows import make_table
from services.worker.live.write import complete_live
from services.worker.load import one_snapshot
from services.worker.stages import stage
from shared import failpoints
from shared.clock import to_us
from shared.db.connect import borrowed
from shared.metrics.registry import LIVE_BATCHES
from shared.reports.batch import BatchLease
from shared.reports.complete import Completion

_log = structlog.get_logger()


def compute_claimed_live(
    context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal
) -> Completion | None:
    """Refresh the live state of a batch. Return None if its lease was lost before.

    If no change since the last refresh can have touched the batch, nothing is computed.
    """
    with (
        borrowed(context.pool) as conn,
        renewal.renewing(),
        stage("load"),
        one_snapshot(conn, context.storage) as snapshot,
    ):
        found = load_live(conn, context, lease.batch, snapshot)
    failpoints.hit("load.after")
    if not renewal.is_held():
        return None
    table = None
    if found.given is not None:
        with renewal.renewing(), stage("compute"):
            table = make_table(found.given, lease.batch.batch_no, to_us(found.now), context.live.silent_us)
    failpoints.hit("compute.after")
    with renewal.renewing(), stage("complete"), borrowed(context.pool) as conn:
        completion = complete_live(conn, context, lease, found, table)
    if completion.accepted:
        LIVE_BATCHES.labels("unchanged" if table is None else "computed").inc()
        _log.debug("live_batch_done", stores=found.stores, computed=table is not None)
    return completion
