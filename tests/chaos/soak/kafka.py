"""Polls by Kafka, in a process of its own: `python -m tests.chaos.soak.kafka DIR SEED`.

It has the brokers, and a consumer that is killed now and then. Asked to end, it waits until all its messages are written.
"""

import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg

from shared.settings import load_settings
from tests.chaos.soak.calls import LIVE_FROM, draw_poll
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal
from tests.chaos.soak.kept import KeptProcess
from tests.fixtures.kafka import SESSION_AFTER_KILLS_S, KafkaCluster, kafka_cluster
from tests.oracle.report import rows_of

_TOPIC = "polls"
_KILLED_SHARE = 0.1
_WRITTEN_WITHIN_S = 50.0  # once everything runs again
_WRITTEN = "select next_offset from kafka_position where topic = %s and next_offset is not null"


def send_messages(cluster: KafkaCluster, consumer: KeptProcess, directory: Path, seed: str) -> int:
    """Send messages of five polls until the soak is to end. Message n has the n-th second. Return how many were sent."""
    stores = sorted({row["store_id"] for row in rows_of(directory / "sample" / "store_status.csv")})
    draw, journal, ending = (
        random.Random(f"{seed}/kafka"), Journal(directory / "kafka.jsonl"), Ending(directory),
    )  # fmt: skip
    number = 0
    while not ending.has_come():
        number += 1
        at = LIVE_FROM + timedelta(seconds=number, microseconds=2)  # no file and no call has such an instant
        polls: Sequence[Mapping[str, str]] = [draw_poll(draw, store, at) for store in draw.sample(stores, 5)]
        cluster.produce(_TOPIC, [json.dumps(polls).encode()])
        journal.write("produced", polls=polls)
        if draw.random() < _KILLED_SHARE:
            consumer.kill()
            journal.write("consumer_killed")
        consumer.keep()
        time.sleep(draw.uniform(0, 1.0))
    return number


def await_written(messages: int, consumer: KeptProcess) -> bool:
    """Return whether all messages were written in time."""
    until_s = time.monotonic() + _WRITTEN_WITHIN_S
    url = load_settings().database_url.get_secret_value()
    while time.monotonic() < until_s:
        with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5) as conn:
            if conn.execute(_WRITTEN, [_TOPIC]).fetchone() == (messages,):
                return True
        consumer.keep()
        time.sleep(0.2)
    return False


def main(directory: Path, seed: str) -> int:
    with kafka_cluster() as cluster:
        cluster.create_topic(_TOPIC, 1)
        env = {
            "UPTILL_KAFKA_BROKERS": cluster.address,
            "UPTILL_KAFKA_TOPICS": _TOPIC,
            "UPTILL_KAFKA_SESSION_S": str(SESSION_AFTER_KILLS_S),
            "UPTILL_METRICS_PORT": "0",
        }
        consumer = KeptProcess("services.ingest.kafka", env=env, log=directory / "consumer.log")
        try:
            return 0 if await_written(send_messages(cluster, consumer, directory, seed), consumer) else 1
        finally:
            consumer.kill()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
