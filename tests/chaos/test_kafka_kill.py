"""SIGKILL of a consumer of Kafka at each boundary, and at seeded bytes of its talk with Postgres: a message counts once."""

import json
import random
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from shared.failpoints import NAMES
from tests.fixtures.failpoints import armed
from tests.fixtures.kafka import SESSION_AFTER_KILLS_S, KafkaCluster, kafka_cluster
from tests.fixtures.kafka_consumer import TOPIC, positions, rejects
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import Services, kill_group, wait_until
from tests.integration.ingest.database import check_ledger

POINTS = tuple(name for name in NAMES if name.startswith("kafka."))
PARTITIONS, MESSAGES = 3, 4000
BAD_EVERY = 97
_TAKEN_OVER_S = 120
ORDINARY, ALL = 8, 100


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        yield cluster


def value(partition: int, number: int) -> bytes:
    """A message that no other equals; some are bad."""
    if number % BAD_EVERY == 0:
        return f"{partition} {number} is no poll".encode()
    minute, second = divmod(number, 60)
    at = f"2024-10-14T{minute // 60:02}:{minute % 60:02}:{second:02}Z"
    return json.dumps({"store_id": f"s{partition}", "status": "active", "observed_at": at}).encode()


def settings(env: Mapping[str, str], cluster: KafkaCluster, batch: int) -> dict[str, str]:
    return {
        **env,
        "UPTILL_KAFKA_BROKERS": cluster.address,
        "UPTILL_KAFKA_TOPICS": TOPIC,
        "UPTILL_KAFKA_SESSION_S": str(SESSION_AFTER_KILLS_S),
        "UPTILL_KAFKA_BATCH_MESSAGES": str(batch),
    }


def written(database_url: str) -> int:
    return sum(positions(database_url).values())


def check_each_counts_once(database_url: str) -> None:
    bad = [number for number in range(MESSAGES) if number % BAD_EVERY == 0]
    with psycopg.connect(database_url) as conn:
        counted = conn.execute(
            "select sum(accepted), sum(duplicate), sum(corrected), sum(rejected) from import where origin = 'kafka'"
        ).fetchone()
    assert counted == (PARTITIONS * (MESSAGES - len(bad)), 0, 0, PARTITIONS * len(bad))
    assert sorted(place for place, *_ in rejects(database_url)) == sorted(
        f"{TOPIC}[{partition}]@{number}" for partition in range(PARTITIONS) for number in bad
    )
    check_ledger(database_url)


@pytest.mark.parametrize("kills", [ORDINARY, pytest.param(ALL, marks=pytest.mark.chaos)])
@pytest.mark.timeout(1800)
def test_each_message_counts_once_whatever_is_killed(
    env: dict[str, str], cluster: KafkaCluster, tmp_path: Path, kills: int
) -> None:
    database_url, draw = env["UPTILL_DATABASE_URL"], random.Random(kills)
    for partition in range(PARTITIONS):
        cluster.produce(TOPIC, [value(partition, number) for number in range(MESSAGES)], partition)
    progress = [0]
    with Services(settings(env, cluster, 20), tmp_path) as services:
        for kill in range(kills):
            if point := (*POINTS, None)[kill % (len(POINTS) + 1)]:
                process = services.start("services.ingest.kafka", **armed(point, "kill"))
                assert process.wait(60) == -signal.SIGKILL
            else:
                with PostgresProxy(database_url, stall_at=draw.randrange(2_000, 40_000)) as proxy:
                    process = services.start("services.ingest.kafka", UPTILL_DATABASE_URL=proxy.url)
                    assert proxy.stalled.wait(60)
                    kill_group(process, signal.SIGKILL)
                    process.wait()
            progress.append(written(database_url))
        assert progress[-1] < PARTITIONS * MESSAGES, "no kill hit the end"
        assert progress == sorted(progress)
        assert progress[-1] > 0
        services.start("services.ingest.kafka", UPTILL_KAFKA_BATCH_MESSAGES="10000")
        wait_until(lambda: written(database_url) == PARTITIONS * MESSAGES, "the last message")
    check_each_counts_once(database_url)


def test_a_frozen_consumer_writes_nothing_after_its_successor(
    env: dict[str, str], cluster: KafkaCluster, tmp_path: Path
) -> None:
    database_url = env["UPTILL_DATABASE_URL"]
    half = MESSAGES // 2
    for partition in range(PARTITIONS):
        cluster.produce(TOPIC, [value(partition, number) for number in range(half)], partition)
    with Services(settings(env, cluster, 20), tmp_path) as services:
        services.scheduler()  # ends the frozen consumer's session, if it stands still in the middle of a COPY
        frozen = services.start("services.ingest.kafka")
        wait_until(lambda: written(database_url) > 0, "the first message")
        kill_group(frozen, signal.SIGSTOP)
        services.start("services.ingest.kafka")
        wait_until(
            lambda: written(database_url) == PARTITIONS * half, "its successor", within_s=_TAKEN_OVER_S
        )
        kill_group(frozen, signal.SIGCONT)
        for partition in range(PARTITIONS):
            cluster.produce(TOPIC, [value(partition, number) for number in range(half, MESSAGES)], partition)
        wait_until(lambda: written(database_url) == PARTITIONS * MESSAGES, "the rest", within_s=_TAKEN_OVER_S)
    check_each_counts_once(database_url)
