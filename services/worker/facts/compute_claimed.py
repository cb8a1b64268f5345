"""The use case of one claimed batch of facts: plan, compute, and complete with the facts in one transaction."""

from functools import partial

import structlog

from services.worker.context import WorkerContext
from services.worker.facts.compute import compute_facts, select_final
from services.worker.facts.plan import plan_facts
from services.worker.facts.write import write_facts
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import one_snapshot
from services.worker.stages import stage
from shared import failpoints
from shared.db.connect import borrowed
from shared.reports.batch import BatchLease, BatchResult
from shared.reports.complete import Completion, complete_job

_log = structlog.get_logger()


def compute_claimed_facts(
    context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal
) -> Completion | None:
    """Compute and commit the facts of a batch. Return None if its lease was lost before.

    What an earlier attempt or job has committed is not computed again, unless a change has touched it since.
    """
    batch = lease.batch
    with (
        borrowed(context.pool) as conn,
        renewal.renewing(),
        stage("compute"),
        one_snapshot(conn) as snapshot,
    ):
        plan = plan_facts(conn, batch)
        facts = select_final(compute_facts(conn, batch, plan, snapshot), plan, batch)
    failpoints.hit("compute.after")
    if not renewal.is_held():
        return None
    with renewal.renewing(), stage("complete"), borrowed(context.pool) as conn:
        completion = complete_job(
            conn,
            lease,
            context.terms,
            read_seq=snapshot.seq,
            result=BatchResult(facts.failed),
            write=partial(write_facts, conn, batch, plan, facts, snapshot.seq),
        )
    _log.info("facts_written", stores=batch.stores, days=len(facts.rows))
    return completion
