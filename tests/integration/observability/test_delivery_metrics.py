"""What the metrics say of schedules, deliveries and endpoints is what is in the tables, at the limits of each state."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import sql

from services.scheduler.metric_facts import FactCollector
from shared.ids import new_id
from shared.queue import make_broker
from tests.fixtures.metrics import Samples, by_label, parse, value


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def facts(database_url: str, redis_url: str) -> Iterator[FactCollector]:
    broker = make_broker(redis_url)
    yield FactCollector(database_url, broker, redis_url, 3600)
    broker.close()


def looked_up(facts: FactCollector) -> Samples:
    registry = CollectorRegistry()
    registry.register(facts)
    return parse(generate_latest(registry).decode())


def insert(conn: psycopg.Connection, table: str, **columns: Any) -> Any:
    """A row; `ago_s` of a column's name makes it an instant before now."""
    values = {name.removesuffix("_ago_s"): value for name, value in columns.items()}
    places = [
        sql.SQL("clock_timestamp() - make_interval(secs => {})").format(sql.Literal(value))
        if name.endswith("_ago_s")
        else sql.Literal(value)
        for name, value in columns.items()
    ]
    conn.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(places)
        )
    )
    return columns.get("id")


def report(conn: psycopg.Connection, state: str, finished_ago_s: float) -> Any:
    common = {"as_of_ago_s": 0, "policy": "classic", "policy_version": 1, "data_cut": 1}
    return insert(conn, "report", id=new_id(), state=state, finished_at_ago_s=finished_ago_s, **common)


def schedule(conn: psycopg.Connection, due_ago_s: float, state: str = "active") -> Any:
    terms = {"name": "x", "cron": "* * * * *", "timezone": "UTC", "report": json.dumps({}), "created_by": "a"}
    return insert(conn, "report_schedule", id=new_id(), state=state, due_at_ago_s=due_ago_s, **terms)


def test_without_any_all_is_zero(facts: FactCollector) -> None:
    shown = looked_up(facts)
    assert by_label(shown, "uptill_schedules", "state") == {"active": 0, "paused": 0, "failed": 0}
    assert by_label(shown, "uptill_file_deliveries", "state") == {"waiting": 0, "delivered": 0, "failed": 0}
    assert by_label(shown, "uptill_webhook_endpoints", "state") == {"working": 0, "failing": 0, "disabled": 0}
    assert set(by_label(shown, "uptill_webhook_deliveries", "state").values()) == {0}
    for what in ("due_schedule", "file_delivery", "webhook"):
        assert value(shown, f"uptill_oldest_{what}_age_seconds") == 0


def test_schedules_and_their_files(facts: FactCollector, conn: psycopg.Connection) -> None:
    first = schedule(conn, -3600)
    schedule(conn, 7200, "paused")  # is not overdue
    for number, (delivery, state, finished_ago_s) in enumerate(
        [
            ("none", "succeeded", 9000),
            ("delivered", "expired", 8000),
            ("failed", "canceled", 7000),
            ("waiting", "failed", 6000),  # waits for somebody who tries it again
            ("waiting", "succeeded", 500),
            ("waiting", "succeeded", 100),
        ]
    ):
        made = report(conn, state, finished_ago_s)
        run = {"schedule_id": first, "due_at_ago_s": number * 3600, "report_id": made}
        insert(conn, "schedule_run", **run, delivery=delivery)
    shown = looked_up(facts)
    assert by_label(shown, "uptill_schedules", "state") == {"active": 1, "paused": 1, "failed": 0}
    assert value(shown, "uptill_oldest_due_schedule_age_seconds") == 0
    assert by_label(shown, "uptill_file_deliveries", "state") == {"waiting": 2, "delivered": 1, "failed": 1}
    assert value(shown, "uptill_oldest_file_delivery_age_seconds") == pytest.approx(500, abs=60)


def test_the_longest_due_schedule(facts: FactCollector, conn: psycopg.Connection) -> None:
    for due_ago_s in (100, 1000, -1000):
        schedule(conn, due_ago_s)
    assert value(looked_up(facts), "uptill_oldest_due_schedule_age_seconds") == pytest.approx(1000, abs=60)


def test_endpoints_and_deliveries(facts: FactCollector, conn: psycopg.Connection) -> None:
    endpoint = {"url": "https://x.test", "events": ["report.failed"], "secret": "whsec_x"}
    working = insert(conn, "webhook_endpoint", id=new_id(), **endpoint)
    insert(conn, "webhook_endpoint", id=new_id(), failing_since_ago_s=60, **endpoint)
    disabled = insert(
        conn, "webhook_endpoint", id=new_id(), state="disabled", failing_since_ago_s=60, **endpoint
    )
    made = report(conn, "canceled", 9000)
    for to, state, created_ago_s in (
        (working, "delivered", 8000),
        (working, "failed", 7000),
        (disabled, "pending", 6000),  # is kept until somebody enables it
        (working, "pending", 500),
        (working, "leased", 400),
    ):
        lease = {"lease_until_ago_s": -60} if state == "leased" else {}
        event = {"report_id": made, "event": "report.canceled", "payload": "{}"}
        insert(
            conn,
            "webhook_delivery",
            endpoint_id=to,
            state=state,
            created_at_ago_s=created_ago_s,
            **event,
            **lease,
        )
    shown = looked_up(facts)
    assert by_label(shown, "uptill_webhook_endpoints", "state") == {"working": 1, "failing": 1, "disabled": 1}
    assert by_label(shown, "uptill_webhook_deliveries", "state") == {
        "pending": 2,
        "leased": 1,
        "delivered": 1,
        "failed": 1,
    }
    assert value(shown, "uptill_oldest_webhook_age_seconds") == pytest.approx(500, abs=60)
