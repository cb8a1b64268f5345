"""Polls from Kafka: how many a second one consumer commits, beside Postgres and the brokers on the same machine.

One poll a message. The brokers are the mock cluster of librdkafka, which run in threads of this process.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psycopg

from bench.figures import Figure, Target
from bench.own_database import make_database
from bench.stand import Stand
from tests.fixtures.kafka import KafkaCluster, kafka_cluster

_TARGET_POLLS_PER_S = 30_000
# The mock brokers keep at most 5 MB of a partition.
_PARTITIONS, _MESSAGES = 12, 30_000
_STORES = 3678
_START = datetime(2024, 9, 2, tzinfo=UTC)
_TOPIC = "polls"
_WITHIN_S = 120.0
Format = Literal["json", "csv"]


@dataclass(frozen=True)
class KafkaRound:
    """What one consumer did with all messages: polls per second, and the seconds of CPU that it took itself."""

    polls_per_s: float
    cpu_s: float


def run_kafka(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Have one consumer write the same messages into an empty database in each round."""
    figures = []
    for kind in ("json", "csv"):
        with kafka_cluster() as cluster:
            _fill(cluster, kind)
            done = [_run_round(stand, cluster, kind) for _ in range(rounds)]
        figures += [
            Figure(
                f"{kind} values, one consumer",
                "polls/s",
                [one.polls_per_s for one in done],
                target=Target(">=", _TARGET_POLLS_PER_S),
            ),
            Figure(
                f"{kind} values, CPU of the consumer for a million",
                "s",
                [one.cpu_s * 1_000_000 / (_PARTITIONS * _MESSAGES) for one in done],
            ),
        ]
    return figures


def _fill(cluster: KafkaCluster, kind: Format) -> None:
    cluster.create_topic(_TOPIC, _PARTITIONS)
    for partition in range(_PARTITIONS):
        numbers = range(partition, _PARTITIONS * _MESSAGES, _PARTITIONS)
        cluster.produce(_TOPIC, [_value(number, kind) for number in numbers], partition)


def _value(number: int, kind: Format) -> bytes:
    """Return a poll that no other message has: all stores in turn, each a minute after its last one."""
    poll = {
        "store_id": f"{number % _STORES:08}-98bf-449b-89ed-15a37ab475e1",
        "status": "active" if number % 7 else "inactive",
        "observed_at": f"{_START + timedelta(minutes=number // _STORES):%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps(poll).encode() if kind == "json" else ",".join(poll.values()).encode()


def _run_round(stand: Stand, cluster: KafkaCluster, kind: Format) -> KafkaRound:
    url = make_database(stand, "uptill_bench_kafka")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with psycopg.connect(url, autocommit=True) as conn, _consumer(stand.folder, url, cluster, kind):
        _await(conn, "select count(*) = %s from kafka_position", _PARTITIONS)
        start = time.perf_counter()
        _await(conn, "select sum(next_offset) = %s from kafka_position", _PARTITIONS * _MESSAGES)
        seconds = time.perf_counter() - start
        counted = conn.execute(
            "select sum(accepted)::int, sum(rows_read)::int, (select count(*)::int from observation) from import"
        ).fetchone()
        assert counted == (_PARTITIONS * _MESSAGES,) * 3
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return KafkaRound(_PARTITIONS * _MESSAGES / seconds, cpu_s)


@contextmanager
def _consumer(folder: Path, url: str, cluster: KafkaCluster, kind: Format) -> Iterator[None]:
    settings: Mapping[str, str] = {
        "UPTILL_DATABASE_URL": url,
        "UPTILL_KAFKA_BROKERS": cluster.address,
        "UPTILL_KAFKA_TOPICS": _TOPIC,
        "UPTILL_KAFKA_FORMAT": kind,
    }
    with (folder / "kafka.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ingest.kafka"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _await(conn: psycopg.Connection, question: str, number: int) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while conn.execute(question.encode(), [number]).fetchone() != (True,):
        assert time.monotonic() < deadline, question
        time.sleep(0.02)
