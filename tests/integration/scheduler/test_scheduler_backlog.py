"""What the scheduler publishes while messages wait in Redis: what was lost, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.sweep import sweep
from shared.db.connect import make_pool
from shared.queue import make_broker, publish, queue_depth
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger

POLL = datetime(2024, 10, 14, tzinfo=UTC)


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    load_fleet(env["UPTILL_DATABASE_URL"], {f"store-{n}": Store(polls=[(POLL, True)]) for n in range(6)})
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    return Settings.model_validate({**values, "republish_s": 60})


@pytest.fixture
def pool(settings: Settings) -> Iterator[ConnectionPool]:
    with make_pool(settings.database_url.get_secret_value(), application_name="test", max_size=2) as pool:
        yield pool


@pytest.fixture
def broker(settings: Settings) -> Iterator[RedisBroker]:
    broker = make_broker(settings.redis_url.get_secret_value())
    yield broker
    broker.close()


def due(settings: Settings) -> None:
    """All that waits by now is due."""
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        conn.execute("update report_batch set due_at = clock_timestamp()")


def test_messages_of_new_reports_do_not_hide_that_older_ones_were_lost(
    settings: Settings, pool: ConnectionPool, broker: RedisBroker
) -> None:
    url = settings.database_url.get_secret_value()
    assert len(trigger(url).wakes) == 3  # and nobody publishes them
    due(settings)
    publish(broker, trigger(url).wakes)
    assert sweep(pool, broker, settings) == 3
    assert queue_depth(broker) == 6
    assert sweep(pool, broker, settings) == 0


def test_nothing_is_added_while_the_workers_are_merely_busy(
    settings: Settings, pool: ConnectionPool, broker: RedisBroker
) -> None:
    publish(broker, trigger(settings.database_url.get_secret_value()).wakes)
    due(settings)
    assert sweep(pool, broker, settings) == 0
    assert queue_depth(broker) == 3


def test_a_finalisation_is_published_once_while_no_worker_takes_it(
    settings: Settings, pool: ConnectionPool, broker: RedisBroker
) -> None:
    settings = settings.model_copy(update={"republish_s": 0.01})
    url = settings.database_url.get_secret_value()
    trigger(url)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "update report_batch set state = 'done', part = 'part', size_bytes = 1, sha256 = %s, data_cut = 1",
            ["11" * 32],
        )
        conn.execute("update report set state = 'running'")
        assert [sweep(pool, broker, settings) for _ in range(4)] == [1, 0, 0, 0]
        assert queue_depth(broker) == 1
        broker.flush_all()  # Redis lost it
        assert [sweep(pool, broker, settings) for _ in range(2)] == [1, 0]
        conn.execute(
            "update report set finalise_lease_until = clock_timestamp()"
        )  # a worker took it and died
        assert [sweep(pool, broker, settings) for _ in range(2)] == [1, 0]
