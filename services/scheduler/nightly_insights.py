"""Accept the job that concludes insights, once a day."""

import asyncio

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared.db.connect import borrowed, connect_async
from shared.db.queries import queries
from shared.insight_runs.jobs import AFTER, nightly_run
from shared.queue import publish_or_leave
from shared.reports.acceptance import Accepted, BatchTerms
from shared.settings import Settings

_SQL = queries("insights")
_log = structlog.get_logger()


def start_nightly_insights(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the run if it is due and wake the workers; return how many. Later sweeps publish lost messages."""
    if not settings.insights:
        return 0
    with borrowed(pool) as conn:
        row = conn.execute(_SQL["nightly_due"], {"after": AFTER}).fetchone()
    if row is None or not row[0]:
        return 0
    accepted = asyncio.run(_accept(settings))
    if accepted is None:
        return 0
    publish_or_leave(broker, list(accepted.wakes))
    _log.info("insights_requested", run_id=str(accepted.report_id), batches=len(accepted.wakes))
    return 1


async def _accept(settings: Settings) -> Accepted | None:
    terms = BatchTerms(settings.batch_stores, settings.republish_s)
    url = settings.database_url.get_secret_value()
    async with connect_async(url, application_name="uptill-scheduler insights") as conn:
        return await nightly_run(conn, terms)
