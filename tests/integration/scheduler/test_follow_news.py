"""News reach live state, the rules and a receiver without a sweep; a lost notice or session costs one sweep at most."""

import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from services.scheduler.follow_news import EVERY_S, NewsFollower
from tests.fixtures.receiver import Receiver, receiver
from tests.fixtures.services import Services, wait_until
from tests.integration.live.live_fleet import change_polls, load_live_fleet

_SESSION = (
    "from pg_stat_activity where datname = current_database() and application_name = 'uptill-scheduler news'"
)
_RULE = (
    "insert into alert_rule (name, kind, labels, parameters, hold_open_minutes, delivery) values"
    """ ('down', 'store_down', '{}', '{"inactive_polls": 1}', 0, '{"channels": ["ops"]}')"""
)
_CHANNEL = (
    "insert into channel (name, kind, destination, shown, per_minute, attach, secret) values"
    " ('ops', 'webhook', jsonb_build_object('url', %s::text), 'x', 600, true, 'whsec_' || repeat('A', 32))"
)
_NEVER, _OFTEN = "3600", "0.2"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def hook(conn: psycopg.Connection, database_url: str) -> Iterator[Receiver]:
    """A receiver, a rule that tells it, and the fleet that it watches."""
    load_live_fleet(database_url, conn)
    with receiver() as running:
        conn.execute(_CHANNEL, [running.url])
        conn.execute(_RULE)
        yield running


@pytest.fixture
def services(env: Mapping[str, str], tmp_path: Path) -> Iterator[Services]:
    given = {
        "UPTILL_NOW_EVERY_S": "60",
        "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
        "UPTILL_CHANNEL_GATHER_S": "0",
    }
    with Services({**env, **given}, tmp_path) as services:
        services.worker()
        yield services


def await_messages(hook: Receiver, number: int) -> None:
    wait_until(lambda: len(hook.received) >= number, f"message {number}")


def test_polls_become_messages_without_a_sweep(
    conn: psycopg.Connection, services: Services, hook: Receiver
) -> None:
    services.scheduler(UPTILL_SWEEP_S=_NEVER)
    await_messages(hook, 1)
    change_polls(conn, "up", active=False)
    await_messages(hook, 2)
    change_polls(conn, "up", active=True)
    await_messages(hook, 3)
    assert [b"incident.opened" in each.body for each in hook.received] == [True, True, False]


def test_a_session_that_is_cut_is_replaced_and_misses_nothing(
    conn: psycopg.Connection, services: Services, hook: Receiver
) -> None:
    services.scheduler(UPTILL_SWEEP_S=_NEVER)
    await_messages(hook, 1)
    assert conn.execute(f"select pg_terminate_backend(pid) {_SESSION}".encode()).fetchall() == [(True,)]
    change_polls(conn, "up", active=False)
    await_messages(hook, 2)


def test_lost_notices_cost_a_sweep(conn: psycopg.Connection, services: Services, hook: Receiver) -> None:
    conn.execute("alter table ledger_head disable trigger tell_data_changed")
    services.scheduler(UPTILL_SWEEP_S=_OFTEN)
    await_messages(hook, 1)
    change_polls(conn, "up", active=False)
    await_messages(hook, 2)


def test_a_stream_of_notices_is_one_step_a_second(conn: psycopg.Connection, database_url: str) -> None:
    ran_at_s: list[float] = []

    def step() -> bool:
        ran_at_s.append(time.monotonic())
        return False

    follower = NewsFollower(database_url, {"data_changed": step})
    follower.start()

    def tell() -> bool:
        conn.execute("select pg_notify('data_changed', '')")
        return len(ran_at_s) >= 3

    try:
        wait_until(tell, "three steps")
    finally:
        follower.stop(10)
    assert follower.is_healthy()
    gaps_s = [later - earlier for earlier, later in pairwise(ran_at_s)]
    assert min(gaps_s) >= EVERY_S


def test_a_step_that_asks_for_it_runs_again_without_a_notice(database_url: str) -> None:
    ran: list[int] = []

    def step() -> bool:
        ran.append(len(ran))
        return len(ran) < 3

    follower = NewsFollower(database_url, {"data_changed": step})
    follower.start()
    try:
        wait_until(lambda: len(ran) >= 3, "three steps")
    finally:
        follower.stop(10)
    assert ran == [0, 1, 2]


def test_a_step_that_fails_is_not_healthy_and_ends_nothing(
    conn: psycopg.Connection, database_url: str
) -> None:
    ran: list[int] = []

    def step() -> bool:
        ran.append(1)
        raise ValueError

    follower = NewsFollower(database_url, {"data_changed": step})
    follower.start()
    try:
        wait_until(lambda: ran, "the first step")
        wait_until(lambda: not follower.is_healthy(), "the failure")
        conn.execute("select pg_notify('data_changed', '')")
        wait_until(lambda: len(ran) >= 2, "the next step")
    finally:
        follower.stop(10)
