"""Accept the jobs that compute daily facts, once a night for each policy."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared.contracts import ComputeBatch
from shared.db.connect import borrowed, connect_async
from shared.db.queries import queries
from shared.facts.jobs import nightly_job
from shared.queue import publish_or_leave
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings
from shared.uptime.policy import POLICIES, later_us

_SQL = queries("store_days")
# By 03:00 UTC no store's date differs from that of the job before by more than one.
AFTER: Final = timedelta(hours=3)
# A scheduler that was away for some nights catches up. Days that have facts cost nothing.
_NIGHTS: Final = timedelta(days=10)
_log = structlog.get_logger()


def days_back(policy: str) -> timedelta:
    """Return how far back a night looks: to the days that have become final in the last ten."""
    return _NIGHTS + timedelta(microseconds=later_us(POLICIES[policy]))


def start_nightly_facts(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the jobs that are due and wake the workers; return how many. Later sweeps publish lost messages."""
    due = []
    for policy in filter(None, settings.facts_policies.split(",")):
        with borrowed(pool) as conn:
            row = conn.execute(_SQL["nightly_due"], {"policy": policy, "after": AFTER}).fetchone()
        due += [policy] if row and row[0] else []
    if not due:
        return 0
    accepted = [asyncio.run(_accept(settings, policy)) for policy in due]
    publish_or_leave(broker, [wake for wakes in accepted for wake in wakes])
    return len(accepted)


async def _accept(settings: Settings, policy: str) -> list[ComputeBatch]:
    terms = BatchTerms(settings.batch_stores, settings.republish_s)
    url = settings.database_url.get_secret_value()
    async with connect_async(url, application_name="uptill-scheduler facts") as conn:
        accepted = await nightly_job(conn, policy, terms, AFTER, days_back(policy))
    if accepted is None:
        return []
    _log.info("facts_requested", job_id=str(accepted.report_id), policy=policy, batches=len(accepted.wakes))
    return list(accepted.wakes)
