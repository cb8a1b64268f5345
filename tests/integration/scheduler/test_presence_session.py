"""A worker's presence session: held, lost, held again, and off where a pooler would keep it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from services.worker import presence as module
from services.worker.presence import Presence
from shared.db.queries import queries
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import wait_until

_PRESENT = "select array(select presence from present_worker)"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@contextmanager
def holding(database_url: str) -> Iterator[Presence]:
    presence = Presence(database_url, "test/1")
    presence.start(wait_s=10)
    try:
        yield presence
    finally:
        presence.stop()


def end_session(conn: psycopg.Connection) -> None:
    ended = conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name = 'uptill-presence test/1'"
    ).fetchall()
    assert ended == [(True,)]


def present(conn: psycopg.Connection) -> list[int]:
    row = conn.execute(_PRESENT).fetchone()
    assert row is not None
    return list(row[0])


def test_a_worker_is_present_from_its_start_to_its_stop(conn: psycopg.Connection, database_url: str) -> None:
    with holding(database_url) as presence:
        assert present(conn) == [presence.number()]
    assert presence.number() is None
    wait_until(lambda: present(conn) == [], "the end of its session")


def test_two_workers_have_two_numbers(conn: psycopg.Connection, database_url: str) -> None:
    with holding(database_url) as one, holding(database_url) as other:
        assert sorted(present(conn)) == sorted([one.number() or 0, other.number() or 0])


def test_a_session_that_was_ended_comes_back_under_its_number(
    conn: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STEADY_S", 0.0)
    with holding(database_url) as presence:
        number = presence.number()
        end_session(conn)
        wait_until(lambda: presence.number() is None, "the loss to be noticed")
        wait_until(lambda: presence.number() == number, "the same number again")
        assert present(conn) == [number]


def test_claims_do_not_rely_on_a_session_that_was_just_lost(
    conn: psycopg.Connection, database_url: str
) -> None:
    """One that is cut again and again would cost the same work again and again."""
    with holding(database_url) as presence:
        (number,) = present(conn)
        end_session(conn)
        wait_until(lambda: presence.number() is None, "the loss to be noticed")
        wait_until(lambda: present(conn) == [number], "the session to come back")
        assert presence.number() is None


def test_behind_a_pooler_it_is_off_and_says_so(conn: psycopg.Connection, database_url: str) -> None:
    """A pooler keeps its session when the worker is gone, and may end it while the worker lives."""
    with PostgresProxy(database_url, is_pooler=True) as pooler, capture_logs() as logs:
        with holding(pooler.url) as presence:
            assert presence.number() is None
        assert present(conn) == []
    assert [entry["event"] for entry in logs] == ["presence_off"]


def test_without_a_server_the_worker_starts_all_the_same(database_url: str) -> None:
    with PostgresProxy(database_url) as proxy:
        proxy.go_away()
        with holding(proxy.url) as presence:
            assert presence.number() is None
            proxy.come_back()
            wait_until(lambda: presence.number() is not None, "the first session")


def test_the_role_of_the_workers_may_do_all_of_it(conn: psycopg.Connection) -> None:
    conn.execute("set role uptill_worker")
    values = {
        "number": 1,
        "absent": [1],
        "grace": timedelta(0),
        "max_attempts": 5,
        "republish": timedelta(seconds=1),
        "limit": 1,
        "report_id": "01920000-0000-7000-8000-000000000000",
        "claim_id": "01920000-0000-7000-8000-000000000000",
        "batch_no": 0,
        "attempt": 1,
    }
    for statement in queries("presence").values():
        conn.execute(statement, values)
