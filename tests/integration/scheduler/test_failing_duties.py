"""A duty of the scheduler that raises an error in every round holds up no other duty."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker

from services.scheduler import janitor, main, recovery
from services.scheduler.metric_facts import FactCollector
from services.scheduler.sweep import SWEEP_STEPS
from services.scheduler.webhooks import outbox
from shared.ids import new_id
from shared.keys import create_key
from shared.metrics.looked_up import FACTS
from shared.metrics.registry import DUTIES_FAILED, FILES_LOST
from shared.queue import make_broker, queue_depth
from shared.settings import Settings
from shared.stop_signals import ShutdownSignals
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
# What shows that a duty was done.
DONE: Mapping[str, str] = {
    "schedules": "select count(*) > 1 from schedule_run",
    "leases": "select state = 'pending' from report_batch where report_id = %(expired_lease)s",
    "poison": "select state = 'failed' from report where id = %(poison)s",
    "recovery": "select state = 'pending' from report_batch where report_id = %(absent)s",
    "deliveries": "select delivery_error is not null from schedule_run where report_id = %(delivered)s",
    "expiry": "select state = 'expired' from report where id = %(old)s",
    "retention of rejects": "select not exists (select from import_reject)",
    "retention of reports": "select not exists (select from report where id = %(ancient)s)",
    "retention of idempotency_keys": "select not exists (select from idempotency where key = 'old')",
    "retention of weeks": "select to_regclass('observation_2020w01') is null",
    "webhooks": "select last_error is not null from webhook_delivery",
}
BROKEN: Mapping[str, tuple[Any, str]] = {
    "schedules": (main, "fire_due"),
    "deliveries": (janitor, "deliver_files"),
    "expiry": (janitor, "remove_expired_files"),
    "bucket": (janitor, "clean_bucket"),
    "retention of weeks": (janitor, "drop_old_weeks"),
    "retention of rejects": (janitor, "forget_rejects"),
    "retention of imports": (janitor, "forget_imports"),
    "retention of reports": (janitor, "forget_reports"),
    "retention of idempotency_keys": (janitor, "forget_requests"),
    "recovery": (recovery, "check_presence"),
    "webhooks": (outbox, "claim_delivery"),
}
_LEASED = (
    "update report_batch set state = 'leased', attempt = 1, burnt = 1, worker = 'gone', presence = %s,"
    " lease_until = clock_timestamp() + %s::interval where report_id = %s"
)
_ENDED = (
    "insert into report (id, state, as_of, policy, policy_version, data_cut, created_at, finished_at, expired_at)"
    " values (%s, %s, now(), 'classic', 2, 0, now() - %s::interval, now() - %s::interval, %s)"
)


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = make_broker(redis_url)
    yield broker
    broker.close()


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    quick = {"sweep_s": 0.1, "janitor_s": 0.1, "republish_s": 0.1, "webhook_allow_private": True}
    keep = {"polls_keep_days": 30, "rejects_keep_days": 30, "imports_keep_days": 0, "reports_keep_days": 30}
    return Settings.model_validate({**values, **quick, **keep})


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, {"a": Store(polls=[(datetime.now(UTC), True)])})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


class Stop:
    """Asks a scheduler in a thread of this process to stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def requested(self) -> bool:
        return self._asked.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        return self._asked.wait(seconds)

    def ask(self) -> None:
        self._asked.set()


@contextmanager
def scheduling(settings: Settings) -> Iterator[threading.Thread]:
    stop = Stop()
    thread = threading.Thread(target=main.run_scheduler, args=(settings, cast("ShutdownSignals", stop)))
    thread.start()
    try:
        yield thread
    finally:
        stop.ask()
        thread.join(60)


def plant_work(conn: psycopg.Connection, url: str) -> dict[str, Any]:
    """Make something due for every duty."""
    ids: dict[str, Any] = {
        name: trigger(url, republish_s=0).report_id for name in ("expired_lease", "absent", "poison", "due")
    }
    ids |= {name: new_id() for name in ("old", "ancient", "delivered")}
    conn.execute(_LEASED, [None, "-1 s", ids["expired_lease"]])
    conn.execute(_LEASED, [424_242, "1 h", ids["absent"]])
    conn.execute("update report_batch set burnt = 5 where report_id = %s", [ids["poison"]])
    conn.execute(_ENDED, [ids["old"], "succeeded", "20 d", "20 d", None])
    conn.execute(_ENDED, [ids["ancient"], "expired", "90 d", "90 d", NOW])
    conn.execute(_ENDED, [ids["delivered"], "succeeded", "1 h", "1 h", None])
    conn.execute("insert into report_file values (%s, 'csv', 'reports/gone', 3, 'x', 1)", [ids["delivered"]])
    maker = create_key(conn, name="maker", scopes=["admin"]).split("_")[1]
    report = '{"policy": "classic", "windows": ["last_day"], "formats": ["csv"], "stores": null, "as_of": "latest"}'
    schedule = new_id()
    conn.execute(
        "insert into report_schedule (id, name, cron, timezone, report, due_at, created_by)"
        " values (%s, 'x', '0 0 * * *', 'UTC', %s, date_trunc('day', now()), %s)",
        [schedule, report, maker],
    )
    conn.execute(
        "insert into schedule_run (schedule_id, due_at, report_id, delivery, delivery_prefix)"
        " values (%s, now() - interval '3 days', %s, 'waiting', 'x')",
        [schedule, ids["delivered"]],
    )
    conn.execute("insert into idempotency values ('k', 'old', '', %s, now() - interval '2 d')", [ids["due"]])
    conn.execute("select ensure_observation_partition('2020-01-01')")
    imported = new_id()
    conn.execute(
        "insert into import (id, kind, source, state, finished_at, rows_read, rejected)"
        " values (%s, 'polls', 'x', 'succeeded', now() - interval '60 d', 1, 1)",
        [imported],
    )
    conn.execute("insert into import_reject values (%s, 1, 0, 'columns', '')", [imported])
    endpoint = new_id()
    conn.execute(
        "insert into webhook_endpoint (id, url, events, description, secret, created_by)"
        " values (%s, 'http://127.0.0.1:1/', '{report.succeeded}', '', 'whsec_YQ==', %s)",
        [endpoint, maker],
    )
    conn.execute(
        "insert into webhook_delivery (endpoint_id, report_id, event, payload) values (%s, %s, 'report.succeeded', '{}')",
        [endpoint, ids["delivered"]],
    )
    return ids


def raise_always(*_: Any, **__: Any) -> Any:
    raise RuntimeError("this duty is broken")


@pytest.mark.parametrize("broken", ["", *SWEEP_STEPS, *BROKEN])
def test_the_others_go_on(
    broken: str,
    settings: Settings,
    conn: psycopg.Connection,
    broker: RedisBroker,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = plant_work(conn, database_url)
    monkeypatch.setattr(recovery, "_GRACE_S", 0.0)
    FILES_LOST.set(0)
    if broken in SWEEP_STEPS:
        monkeypatch.setitem(cast("dict[str, Callable[..., int]]", SWEEP_STEPS), broken, raise_always)
    elif broken:
        monkeypatch.setattr(*BROKEN[broken], raise_always)

    def done() -> set[str]:
        found = {name for name, query in DONE.items() if conn.execute(query, ids).fetchone() == (True,)}
        found |= {"publish"} if queue_depth(broker) else set()
        return found | ({"bucket"} if FILES_LOST._value.get() else set())

    others = {*DONE, "publish", "bucket"} - {broken}
    assert not done() & {broken}
    with scheduling(settings) as thread:
        try:
            wait_until(lambda: others <= done(), "all other duties")
        except TimeoutError as error:
            raise AssertionError(f"not done: {others - done()}") from error
        assert thread.is_alive()
        if broken not in {"", "publish"}:
            wait_until(DUTIES_FAILED.labels(broken)._value.get, "the duty that fails")
        if broken not in {"", "publish", "leases"}:
            assert broken not in done()


def test_a_fact_that_cannot_be_queried_is_missing_alone(
    settings: Settings, conn: psycopg.Connection, broker: RedisBroker
) -> None:
    conn.execute("alter table webhook_delivery rename column state to status")
    collector = FactCollector(
        settings.database_url.get_secret_value(), broker, settings.redis_url.get_secret_value(), 60
    )
    shown = {family.name for family in collector.collect()}
    lacking = {fact.name.removesuffix("_total") for fact in FACTS} - shown
    assert lacking == {"uptill_webhook_deliveries", "uptill_oldest_webhook_age_seconds"}
