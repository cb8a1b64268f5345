"""Rows that no release can have written cost only themselves: webhooks, file deliveries and reports to fail."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.scheduler.schedules.deliver import deliver_files
from services.scheduler.sender import Sender
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.outbox import WebhookOutbox
from services.worker.context import WorkerContext
from shared.ids import new_id
from shared.reports.due import bury_poison
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.receiver import receiver
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
ADDRESSES = [
    "",
    "nowhere",
    "ftp://127.0.0.1/x",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:x/x",
    "http://[::1/x",
    "http://" + "a" * 300 + "/x",
    "http://xn--\u00e4.example/x",
    "http:///x",
]
PATHS = ["/\u00e4", "/a b", "/a\tb", "/a\r\nX-Evil: 1", "/\u2028"]
SECRETS = ["", "whsec_?", "whsec_\u00e4", "whsec_YQ"]


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, True)])})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def insert_report(conn: psycopg.Connection, state: str = "succeeded") -> UUID:
    report_id = new_id()
    conn.execute(
        "insert into report (id, state, as_of, policy, policy_version, data_cut, finished_at)"
        " values (%s, %s, now(), 'classic', 2, 0, now())",
        [report_id, state],
    )
    return report_id


def insert_delivery(conn: psycopg.Connection, url: str, secret: str = "whsec_YQ==") -> UUID:
    endpoint = new_id()
    conn.execute(
        "insert into webhook_endpoint (id, url, events, description, secret, created_by)"
        " values (%s, %s, '{report.succeeded}', '', %s, 'k')",
        [endpoint, url, secret],
    )
    query = (
        "insert into webhook_delivery (endpoint_id, report_id, event, payload)"
        " values (%s, %s, 'report.succeeded', '{}') returning id"
    )
    ((delivery_id,),) = conn.execute(query, [endpoint, insert_report(conn)]).fetchall()
    assert isinstance(delivery_id, UUID)
    return delivery_id


def test_a_webhook_with_a_broken_address_or_secret_is_recorded_and_holds_up_none(
    conn: psycopg.Connection, worker: WorkerContext
) -> None:
    with receiver() as hook:
        base = f"http://127.0.0.1:{hook.port}"
        urls = [*ADDRESSES, *(base + path for path in PATHS)]
        broken = [insert_delivery(conn, url) for url in urls]
        broken += [insert_delivery(conn, hook.url, secret) for secret in SECRETS[1:]]
        good = insert_delivery(conn, hook.url)
        sender = Sender([WebhookOutbox(worker.pool, Dialer(allow_private=True, timeout_s=5))], threads=2)
        sender.start()
        try:
            attempted = "select count(*) from webhook_delivery where attempt > 0 and state <> 'leased'"
            wait_until(lambda: conn.execute(attempted).fetchone() == (len(broken) + 1,), "all attempts")
        finally:
            sender.stop(5)
    query = "select id, state, last_error from webhook_delivery"
    found = {each: (state, error) for each, state, error in conn.execute(query).fetchall()}
    assert found[good] == ("delivered", None)
    for delivery_id, url in zip(broken, urls, strict=False):
        state, error = found[delivery_id]
        assert (state, bool(error)) == ("pending", True) or state == "delivered", url
    assert not any(b"evil" in str(one.headers).lower().encode() for one in hook.received)


@pytest.mark.parametrize("damage", ["no files", "an unknown format", "no prefix"])
def test_a_broken_file_delivery_is_recorded_and_holds_up_none(
    damage: str, conn: psycopg.Connection, worker: WorkerContext
) -> None:
    stored = worker.storage.put("reports/x/report.csv", b"a\n", "text/csv")
    schedule = new_id()
    conn.execute(
        "insert into report_schedule (id, name, cron, timezone, report, due_at, created_by)"
        " values (%s, 'x', '* * * * *', 'UTC', '{}', 'infinity', 'k')",
        [schedule],
    )
    reports = {name: insert_report(conn) for name in ("broken", "good")}
    for number, (name, report_id) in enumerate(reports.items()):
        if not (name == "broken" and damage == "no files"):
            conn.execute(
                "insert into report_file values (%s, 'csv', %s, %s, %s, 1)",
                [report_id, stored.key, stored.size_bytes, stored.sha256],
            )
        conn.execute(
            "insert into schedule_run (schedule_id, due_at, report_id, delivery, delivery_prefix, delivery_due_at)"
            " values (%s, now() + %s * interval '1 h', %s, 'waiting', %s, now() - interval '1 h')",
            [schedule, number, report_id, None if name == "broken" and damage == "no prefix" else name],
        )
    if damage == "an unknown format":
        conn.execute("alter table report_file drop constraint report_file_format_check")
        conn.execute("update report_file set format = 'ods' where report_id = %s", [reports["broken"]])
    deliver_files(worker.pool, worker.storage)
    query = "select report_id, delivery, delivery_error from schedule_run"
    found: dict[UUID, Any] = {each: rest for each, *rest in conn.execute(query).fetchall()}
    assert found[reports["good"]] == ["delivered", None]
    state, error = found[reports["broken"]]
    assert (state, bool(error)) == ("waiting", True) or damage == "no prefix"


@pytest.mark.parametrize("error", ['"x"', "[1]", "7", '{"detail": null}', '{"detail": {"a": 1}}', "null"])
def test_a_batch_with_an_unreadable_error_fails_its_report_and_no_other(
    error: str, conn: psycopg.Connection, database_url: str
) -> None:
    broken, good = (trigger(database_url, batch_stores=5).report_id for _ in range(2))
    conn.execute("update report_batch set burnt = 5")
    conn.execute("update report_batch set error = %s where report_id = %s", [error, broken])
    assert set(bury_poison(conn, 5)) == {broken, good}
    ((kept,),) = conn.execute("select error from report where id = %s", [broken]).fetchall()
    assert json.dumps(kept)
