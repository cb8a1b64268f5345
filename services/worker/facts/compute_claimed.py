"""The use case of one claimed batch of facts: plan, compute, and complete with the facts in one transaction."""

from collections.abc import Callable
from functools import partial

import psycopg
import structlog

from services.worker.context import WorkerContext
from services.worker.facts.compute import compute_facts
from services.worker.facts.pack import pack_changes
from services.worker.facts.plan import final_cells, plan_facts
from services.worker.facts.write import write_facts
from services.worker.lease_renewal import LeaseRenewal
from services.worker.load import Snapshot
from services.worker.store_batch import ComputedBatch, compute_store_batch
from shared.reports.batch import BatchLease
from shared.reports.complete import Completion

_log = structlog.get_logger()


def compute_claimed_facts(
    context: WorkerContext, lease: BatchLease, renewal: LeaseRenewal
) -> Completion | None:
    """Compute and commit the facts of a batch. Return None if its lease was lost before.

    What an earlier attempt or job has committed is not computed again, unless a change has touched it since.
    """
    batch = lease.batch

    def compute(conn: psycopg.Connection, snapshot: Snapshot) -> ComputedBatch:
        plan = plan_facts(conn, batch, context.inputs.find_stores(conn, batch, snapshot))
        find = partial(context.inputs.find_days_input, conn, batch, snapshot)
        facts = compute_facts(conn, batch, final_cells(plan, batch), snapshot, find)
        _log.info("facts_computed", stores=batch.stores, days=len(facts.rows))

        def write(conn: psycopg.Connection) -> Callable[[], None]:
            changes = write_facts(conn, batch, plan, facts, snapshot.seq)
            return partial(pack_changes, conn, batch.policy, changes)

        return ComputedBatch(facts.failed, write)

    return compute_store_batch(context, lease, renewal, compute)
