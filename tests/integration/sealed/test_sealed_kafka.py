"""A message with a late poll of a sealed week waits until the week is open, and so do those behind it."""

from pathlib import Path

from services.worker.context import WorkerContext
from tests.fixtures.kafka import kafka_cluster
from tests.fixtures.kafka_consumer import TOPIC, await_position, consumer_settings, consuming, positions
from tests.fixtures.sealing import open_wanted, seal, sealed_weeks
from tests.fixtures.services import wait_until
from tests.integration.ingest.database import load_polls, observations

EARLY, LATE = "2024-09-04T12:00:00Z", "2024-10-14T12:00:00Z"
_POLL = '{{"store_id": "a", "status": "active", "observed_at": "{}"}}'


def test_a_late_poll_waits_until_its_week_is_open(
    database_url: str, worker: WorkerContext, tmp_path: Path
) -> None:
    load_polls(database_url, tmp_path / "polls.csv", [("a", "active", "2024-09-03 12:00:00 UTC")])
    assert seal(worker)
    with kafka_cluster() as cluster, worker.pool.connection() as conn:
        conn.autocommit = True
        cluster.create_topic(TOPIC, 1)
        cluster.produce(TOPIC, [_POLL.format(at).encode() for at in (EARLY, LATE)])
        with consuming(consumer_settings(database_url, cluster)):
            wanted = "select count(*) from sealed_week where wanted_at is not null"
            wait_until(lambda: conn.execute(wanted).fetchone() == (1,), "the wanted week")
            assert positions(database_url) == {(TOPIC, 0): 0}
            open_wanted(worker)
            await_position(database_url, 2)
    assert sealed_weeks(worker) == []
    assert len(observations(database_url)) == 3
