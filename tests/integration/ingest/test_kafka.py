"""Polls from Kafka, read from real brokers: what counts, what is rejected, and where reading goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.kafka import KafkaCluster, kafka_cluster
from tests.fixtures.kafka_consumer import (
    TOPIC,
    await_position,
    consumer_settings,
    consuming,
    positions,
    rejects,
)
from tests.integration.ingest.database import check_ledger, observations
from tests.integration.ingest.service import ingest_service, problem

NOON = "2024-10-14T12:{:02}:{:02}Z"
STORED = "2024-10-14 12:{:02}:{:02}.000000"


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as cluster:
        cluster.create_topic(TOPIC, 2)
        yield cluster


def poll(number: int, **more: object) -> bytes:
    at = NOON.format(number // 60, number % 60)
    return json.dumps({"store_id": "a", "status": "active", "observed_at": at, **more}).encode()


def at(number: int) -> tuple[str, str]:
    return "a", STORED.format(number // 60, number % 60)


def test_messages_become_polls_of_one_import_a_day(database_url: str, cluster: KafkaCluster) -> None:
    cluster.produce(TOPIC, [poll(0), poll(1, status="inactive")], partition=0)
    cluster.produce(TOPIC, [b"[" + poll(2) + b"," + poll(3) + b"]"], partition=1)
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 2, partition=0)
        await_position(database_url, 1, partition=1)
        cluster.produce(TOPIC, [poll(2, status="inactive")], partition=0)
        await_position(database_url, 3, partition=0)
    assert observations(database_url) == {at(0): True, at(1): False, at(2): False, at(3): True}
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select origin, kind, source, state, accepted, corrected from import").fetchall()
    assert found == [("kafka", "polls", "kafka:uptill", "running", 4, 1)]
    check_ledger(database_url)


def test_a_message_may_say_more_than_a_status(database_url: str, cluster: KafkaCluster) -> None:
    more = {"event": True, "reason": "busy", "until": NOON.format(1, 0)}
    cluster.produce(TOPIC, [poll(0, status="inactive", **more)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 1)
    assert observations(database_url) == {at(0): False, at(60): True}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select code from poll_note order by observed_at").fetchall() == [
            (4 * 4 + 2,),
            (3,),
        ]


def test_what_cannot_be_read_is_rejected_with_its_place(database_url: str, cluster: KafkaCluster) -> None:
    twice = poll(1)[:-1] + b', "status": "inactive"}'
    bad: list[tuple[Any, ...]] = [
        (b"no JSON", "message"),
        (b"", "empty_value"),
        (None, "no_value"),
        (b"[]", "message"),
        (b'{"store_id": "a"}', "field_missing", "/status"),
        (poll(1, unknown=1), "field_unknown", "/unknown"),
        (twice, "field_repeated", "/status"),
        (poll(1, status="open"), "status"),
        (poll(1, observed_at="2024-10-14 12:00:00"), "tz_missing"),
        (poll(1, observed_at="2100-10-14T12:00:00Z"), "future"),
        (poll(1, store_id=""), "no_id"),
        (poll(1, store_id="a\nb"), "control_character"),
        (poll(1, store_id="1E5"), "odd_id"),
        (poll(1, reason="unheard_of"), "unknown_reason"),
        (poll(1, until=NOON.format(2, 0)), "until_of_look"),
    ]
    cluster.produce(TOPIC, [poll(0), *(value for value, *_ in bad), poll(2)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, len(bad) + 2)
    assert observations(database_url) == {at(0): True, at(2): True}
    assert rejects(database_url) == [
        (" ".join([f"polls[0]@{offset}", *field]), reason, value or b"")
        for offset, (value, reason, *field) in enumerate(bad, 1)
    ]
    check_ledger(database_url)


def test_a_bad_poll_of_a_list_costs_only_itself(database_url: str, cluster: KafkaCluster) -> None:
    twice = poll(1)[:-1] + b', "status": "inactive"}'
    bad = [
        (poll(1, status="?"), "status", ""),
        (poll(1, status=7), "field_type", "/status"),
        (poll(1, **{"a/b~\0": 1}), "field_unknown", "/a~1b~0\\x00"),
        (b'{"store_id": "a"}', "field_missing", "/status"),
        (poll(1, event="yes"), "field_type", "/event"),
        (twice, "field_repeated", "/status"),
        (b"null", "message", ""),
        (b"[" + poll(1) + b"]", "message", ""),
        (b'{"store_id": ' + b"9" * 5000 + b"}", "message", ""),
    ]
    good = [poll(0), poll(2, store_id='with "quotes", and [more]'), poll(3)]
    value = b" [" + b" , ".join(
        [good[0], *(one for one, *_ in bad[:4]), good[1], *(one for one, *_ in bad[4:]), good[2]]
    )
    cluster.produce(
        TOPIC, [value + b"]\n", b"[" + poll(4) + b"," + poll(5, status="?") + b"]", value + b",]", poll(6)]
    )
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 4)
    assert set(observations(database_url)) == {
        at(0),
        ('with "quotes", and [more]', at(2)[1]),
        at(3),
        at(4),
        at(6),
    }
    numbers = [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert rejects(database_url) == [
        *(
            (f"polls[0]@0 /{number}{field}", reason, text[:1024])
            for number, (text, reason, field) in zip(numbers, bad, strict=True)
        ),
        ("polls[0]@1 /1", "status", poll(5, status="?")),
        ("polls[0]@2", "message", (value + b",]")[:1024]),
    ]
    check_ledger(database_url)


def test_csv_values_have_the_columns_of_the_setting(database_url: str, cluster: KafkaCluster) -> None:
    first, later = NOON.format(0, 0), NOON.format(0, 1)
    values = [
        f"active;a;{first}".encode(),
        f"inactive;a;{later}\r\nactive;b;{first}\nonline;c;{first}\n".encode(),
        b"active;\xff;2024-10-14T12:00:00Z",
        f"active;a\rb;{first}".encode(),
        b"status;store_id;timestamp_utc",
        b"active;a",
        b"active;\xff;x\nactive;d;"
        + f"{first}\nactive;d\r;{first}\nopen;d;{later}\nactive;e;{first}".encode(),
    ]
    cluster.produce(TOPIC, values)
    settings = consumer_settings(
        database_url, cluster, kafka_format="csv", kafka_columns="status;store_id;timestamp_utc"
    )
    with consuming(settings):
        await_position(database_url, len(values))
    at_noon = {(store, at(0)[1]): True for store in "abde"}
    assert observations(database_url) == {**at_noon, at(1): False}
    assert rejects(database_url) == [
        ("polls[0]@1 line 3", "status", f"online;c;{first}".encode()),
        ("polls[0]@2", "encoding", values[2]),
        ("polls[0]@3", "control_character", values[3]),
        ("polls[0]@4", "repeated_header", values[4]),
        ("polls[0]@5", "columns", values[5]),
        ("polls[0]@6 line 1", "encoding", b"active;\xff;x"),
        ("polls[0]@6 line 3", "control_character", f"active;d\r;{first}".encode()),
        ("polls[0]@6 line 4", "status", f"open;d;{later}".encode()),
    ]


def test_another_consumer_goes_on_where_writing_stopped(database_url: str, cluster: KafkaCluster) -> None:
    cluster.produce(TOPIC, [poll(number) for number in range(3)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 3)
    cluster.produce(TOPIC, [poll(3)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 4)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select sum(rows_read) from import").fetchone() == (4,)


def test_a_group_may_begin_behind_the_latest_message(database_url: str, cluster: KafkaCluster) -> None:
    cluster.produce(TOPIC, [poll(0), poll(1)])
    with consuming(consumer_settings(database_url, cluster, kafka_start="latest")):
        await_position(database_url, 2)
        cluster.produce(TOPIC, [poll(2)])
        await_position(database_url, 3)
    assert observations(database_url) == {at(2): True}


def test_messages_that_the_brokers_deleted_are_skipped(database_url: str, cluster: KafkaCluster) -> None:
    cluster.produce(TOPIC, [poll(0)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 1)
    cluster.produce(TOPIC, [poll(number) for number in range(1, 5)])
    cluster.delete_before(TOPIC, 0, 3)
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 5)
    assert observations(database_url) == {at(0): True, at(3): True, at(4): True}


def test_a_topic_that_was_made_again_is_read_from_its_first_message(
    database_url: str, cluster: KafkaCluster
) -> None:
    cluster.produce(TOPIC, [poll(number) for number in range(5)])
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 5)
    with kafka_cluster() as other:
        other.create_topic(TOPIC, 2)
        other.produce(TOPIC, [poll(0), poll(7)])
        with consuming(consumer_settings(database_url, other)):
            await_position(database_url, 2)
    assert set(observations(database_url)) == {at(number) for number in (*range(5), 7)}
    check_ledger(database_url)


def test_groups_know_nothing_of_each_other(database_url: str, cluster: KafkaCluster) -> None:
    cluster.produce(TOPIC, [poll(0)])
    for group in ("one", "two"):
        with consuming(consumer_settings(database_url, cluster, kafka_group=group)):
            await_position(database_url, 1, group=group)
    assert positions(database_url) == {}
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select source, accepted, duplicate from import order by source").fetchall()
    assert found == [("kafka:one", 1, 0), ("kafka:two", 0, 1)]


def test_the_service_shows_the_import_and_where_rejected_rows_come_from(
    database_url: str, cluster: KafkaCluster, tmp_path: Path
) -> None:
    cluster.produce(TOPIC, [poll(0), b"no poll"], partition=1)
    with consuming(consumer_settings(database_url, cluster)):
        await_position(database_url, 2, partition=1)
    with ingest_service(database_url, tmp_path) as client:
        (found,) = client.get("/v1/imports").json()["imports"]
        rows = client.get(f"/v1/imports/{found['id']}/rejects").text.splitlines()
        refused = client.delete(f"/v1/imports/{found['id']}")
    assert (found["origin"], found["source"], found["state"]) == ("kafka", "kafka:uptill", "running")
    assert rows == ["line,byte_offset,reason,raw,source", "1,0,message,no poll,polls[1]@1"]
    assert "a day's messages of Kafka" in problem(refused, 409, "import_ended")["detail"]
