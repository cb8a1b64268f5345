"""Wake workers for service levels that are due. The workers take them from Postgres when no batch is due."""

from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from shared.contracts import LEVEL_DUE
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.queue import publish, queue_depth

_SQL = queries("service_levels")


def wake_for_levels(pool: ConnectionPool, broker: RedisBroker) -> int:
    """Publish a message for each due level, unless messages still wait; return how many."""
    with borrowed(pool) as conn:
        ((due,),) = conn.execute(_SQL["count_due"]).fetchall()
    if not due or queue_depth(broker):
        return 0
    return publish(broker, [LEVEL_DUE] * due)
