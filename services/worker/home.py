"""What a worker does with a wake-up for a batch that is at home at another worker (docs/decisions/0049)."""

import time

from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.contracts import ComputeBatch
from shared.db.connect import borrowed
from shared.reports.claim import home_grace_left_s


def compute_after_grace(context: WorkerContext, wake: ComputeBatch) -> bool:
    """Give the batch's home the rest of its grace, then compute what is due. Return False if there was nothing to do.

    The message was the only one to every worker, so it must not end before the batch is claimed or free for all.
    """
    with borrowed(context.pool) as conn:
        grace_s = home_grace_left_s(conn, wake.report_id, wake.batch_no, context.terms)
    if grace_s == 0:
        return False
    time.sleep(grace_s)
    return compute_next(context) is not None
