"""Accept the jobs that write months of daily facts to the bucket, once a night, after the facts of the night."""

import asyncio
from collections.abc import Sequence

import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.nightly_facts import AFTER
from shared.db.connect import borrowed, connect_async
from shared.db.queries import queries
from shared.facts.exports import nightly_exports
from shared.queue import publish_or_leave
from shared.reports.acceptance import Accepted
from shared.settings import Settings

_SQL = queries("facts_export")
_log = structlog.get_logger()


def start_nightly_exports(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> int:
    """Accept the exports that are due and wake the workers; return how many. Later sweeps publish lost messages."""
    if not settings.facts_export:
        return 0
    with borrowed(pool) as conn:
        if not conn.execute(_SQL["nightly_due"], {"after": AFTER}).fetchall():
            return 0
    accepted = asyncio.run(_accept(settings))
    publish_or_leave(broker, [wake for each in accepted for wake in each.wakes])
    for each in accepted:
        _log.info("facts_export_requested", job_id=str(each.report_id), months=len(each.wakes))
    return len(accepted)


async def _accept(settings: Settings) -> Sequence[Accepted]:
    url = settings.database_url.get_secret_value()
    async with connect_async(url, application_name="uptill-scheduler facts export") as conn:
        return await nightly_exports(conn, AFTER, settings.republish_s)
