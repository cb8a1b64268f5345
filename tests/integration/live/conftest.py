"""A scheduler's step and a worker within the test's process."""

from collections.abc import Callable, Iterator

import pytest
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.live_state import keep_live_state
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.db.connect import make_pool
from shared.queue import make_broker
from shared.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"now_every_s": 60.0})


@pytest.fixture
def broker(settings: Settings) -> Iterator[RedisBroker]:
    broker = make_broker(settings.redis_url.get_secret_value())
    yield broker
    broker.close()


@pytest.fixture
def pool(settings: Settings) -> Iterator[ConnectionPool]:
    with make_pool(settings.database_url.get_secret_value(), application_name="test", max_size=2) as pool:
        yield pool


@pytest.fixture
def refresh(
    pool: ConnectionPool, broker: RedisBroker, settings: Settings, worker: WorkerContext
) -> Callable[[], int]:
    """Make every batch due, let the scheduler do its step, and work until nothing is due; return the batches."""

    def refresh() -> int:
        keep_live_state(pool, broker, settings)
        with pool.connection() as conn:
            conn.execute(
                "update report_batch set due_since = now(), due_at = now()"
                " where report_id in (select id from report where kind = 'now')"
            )
        keep_live_state(pool, broker, settings)
        batches = 0
        while compute_next(worker) is not None:
            batches += 1
        return batches

    return refresh
