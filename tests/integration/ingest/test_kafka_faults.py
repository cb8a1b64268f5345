"""Faults around the consumer of Kafka: each message still counts once, and a bad one costs only itself."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.ingest.kafka.config import make_terms
from services.ingest.kafka.consume import KafkaConsumer
from services.ingest.kafka.message import Message, Partition
from services.ingest.kafka.positions import PartitionTaken, Positions
from services.ingest.kafka.writer import MessageWriter
from tests.fixtures.kafka import KafkaCluster, kafka_cluster
from tests.fixtures.kafka_consumer import (
    TOPIC,
    AskedToStop,
    await_position,
    consumer_settings,
    consuming,
    positions,
    rejects,
)
from tests.fixtures.metrics import free_ports, on_port, scrape
from tests.fixtures.proxy import LostCommit, PostgresProxy
from tests.fixtures.services import Services, wait_until
from tests.integration.ingest.database import check_ledger

FIRST = Partition(TOPIC, 0)


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as cluster:
        cluster.create_topic(TOPIC, 2)
        yield cluster


def poll(number: int, store: str = "a") -> bytes:
    minute, second = divmod(number, 60)
    at = f"2024-10-14T12:{minute:02}:{second:02}Z"
    return json.dumps({"store_id": store, "status": "active", "observed_at": at}).encode()


def message(offset: int) -> Message:
    return Message(FIRST, offset, -1, poll(offset))


def counts(database_url: str) -> tuple[int, int, int]:
    """Accepted, duplicate and rejected rows of all imports."""
    with psycopg.connect(database_url) as conn:
        ((accepted, duplicate, rejected),) = conn.execute(
            "select sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from import"
        ).fetchall()
    check_ledger(database_url)
    return accepted, duplicate, rejected


def test_an_earlier_owner_cannot_write(database_url: str, cluster: KafkaCluster) -> None:
    settings = consumer_settings(database_url, cluster)
    of_group = Positions(database_url, "uptill")
    earlier = of_group.claim_partitions([FIRST])
    of_group.place(FIRST, earlier[FIRST], 0)
    writer = MessageWriter(database_url, make_terms(settings), 5)
    writer.write([message(0)], earlier)
    later = of_group.claim_partitions([FIRST])
    assert later[FIRST].next_offset == 1
    with pytest.raises(PartitionTaken, match=r"polls\[0\]"):
        writer.write([message(1)], earlier)
    with pytest.raises(PartitionTaken):
        of_group.place(FIRST, earlier[FIRST], 7)
    writer.write([message(1), message(2)], later)
    writer.close()
    assert positions(database_url) == {(TOPIC, 0): 3}
    assert counts(database_url) == (3, 0, 0)


def test_an_owner_that_was_overtaken_while_it_wrote_joins_again(
    database_url: str, cluster: KafkaCluster
) -> None:
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 0)
        with psycopg.connect(database_url) as conn:
            conn.execute("select pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0))")
            cluster.produce(TOPIC, [poll(number) for number in range(50)])
            waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            wait_until(lambda: conn.execute(waiting).fetchone() == (1,), "the writer of messages")
            Positions(database_url, "uptill").claim_partitions([FIRST])
        await_position(database_url, 50)
    assert counts(database_url) == (50, 0, 0)


def test_nothing_is_lost_while_the_database_is_away(database_url: str, cluster: KafkaCluster) -> None:
    with PostgresProxy(database_url) as proxy, consuming(consumer_settings(proxy.url, cluster)):
        cluster.produce(TOPIC, [poll(0)])
        await_position(database_url, 1)
        proxy.go_away()
        cluster.produce(TOPIC, [poll(number) for number in range(1, 30)])
        proxy.come_back()
        await_position(database_url, 30)
    assert counts(database_url) == (30, 0, 0)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_lost_commit_counts_once(database_url: str, cluster: KafkaCluster, lost: LostCommit) -> None:
    """The reply too: whether the transaction was committed, the offsets in the same database tell."""
    cluster.produce(TOPIC, [poll(number) for number in range(30)])
    with PostgresProxy(database_url, lost_commits=range(3, 9), lost=lost) as proxy:
        with consuming(consumer_settings(proxy.url, cluster, kafka_batch_messages=7)):
            await_position(database_url, 30)
        assert proxy.faults
    assert counts(database_url) == (30, 0, 0)


def test_the_brokers_may_go_and_come_back(database_url: str, cluster: KafkaCluster) -> None:
    with consuming(consumer_settings(database_url, cluster)):
        cluster.produce(TOPIC, [poll(0)])
        await_position(database_url, 1)
        cluster.go_away()
        cluster.come_back()
        cluster.produce(TOPIC, [poll(number) for number in range(1, 20)])
        await_position(database_url, 20)
    assert counts(database_url) == (20, 0, 0)


def test_what_the_database_refuses_is_rejected_alone(database_url: str, cluster: KafkaCluster) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("""
            create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'not this one' using errcode = 'data_exception'; end $$;
            create trigger refuse before insert on store for each row when (new.store_id = 'poison') execute function refuse()
        """)
    values = [poll(number) for number in range(9)]
    values[4] = poll(4, "poison")
    cluster.produce(TOPIC, values)
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 9)
    assert rejects(database_url) == [("polls[0]@4", "refused", values[4])]
    assert counts(database_url) == (8, 0, 1)


def test_a_fault_of_the_schema_rejects_nothing(database_url: str, cluster: KafkaCluster) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("revoke insert on import_chunk from uptill_ingest")
    cluster.produce(TOPIC, [poll(0)])
    stop = AskedToStop()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        KafkaConsumer(consumer_settings(database_url, cluster), stop).run()
    assert positions(database_url)[TOPIC, 0] == 0
    assert rejects(database_url) == []


def test_two_consumers_share_the_partitions(database_url: str, cluster: KafkaCluster) -> None:
    settings = consumer_settings(database_url, cluster, kafka_batch_messages=5)
    with consuming(settings):
        cluster.produce(TOPIC, [poll(number) for number in range(40)], 0)
        await_position(database_url, 40)
        with consuming(settings):
            cluster.produce(TOPIC, [poll(number) for number in range(40, 80)], 0)
            cluster.produce(TOPIC, [poll(number, "b") for number in range(60)], 1)
            await_position(database_url, 80, 0)
            await_position(database_url, 60, 1)
        cluster.produce(TOPIC, [poll(number, "b") for number in range(60, 90)], 1)
        await_position(database_url, 90, 1)
    assert counts(database_url) == (170, 0, 0)


def test_the_process_counts_what_it_does_and_ends_when_asked(
    env: dict[str, str], cluster: KafkaCluster, tmp_path: Path
) -> None:
    database_url = env["UPTILL_DATABASE_URL"]
    cluster.produce(TOPIC, [poll(number) for number in range(9)] + [b"no poll"])
    with free_ports("metrics") as ports, Services(env, tmp_path) as services:
        settings = {
            "UPTILL_KAFKA_BROKERS": cluster.address,
            "UPTILL_KAFKA_TOPICS": TOPIC,
            **on_port(ports["metrics"]),
        }
        process = services.start("services.ingest.kafka", **settings)
        await_position(database_url, 10)
        written: tuple[str, frozenset[tuple[str, str]]] = ("uptill_kafka_messages_total", frozenset())
        wait_until(lambda: scrape(ports["metrics"]).get(written) == 10, "the count")
        shown = scrape(ports["metrics"])
        process.terminate()
        assert process.wait(60) == 0
    assert shown["uptill_kafka_rows_rejected_total", frozenset()] == 1
    assert shown["uptill_kafka_lag_messages", frozenset()] == 0
    assert shown["uptill_kafka_partitions_total", frozenset({("change", "assigned")})] == 2
    assert services.logged("consumer_stopped")
    assert services.logged('"event": "waiting_for_assignment"')
    assert services.logged('"waited_s": ')


def test_settings_that_cannot_be_used_end_the_process_with_the_reason(
    env: dict[str, str], tmp_path: Path
) -> None:
    with Services(env, tmp_path) as services:
        assert services.start("services.ingest.kafka").wait(60) == 1
        assert services.logged("UPTILL_KAFKA_BROKERS, UPTILL_KAFKA_TOPICS are not set")
