"""What holds up one duty of the scheduler holds up no other, and a statement that was broken off costs one sweep."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.reports import trigger
from tests.fixtures.services import Services, wait_until

_TAKE = "update report_batch set state = 'leased', attempt = 1, burnt = 1, worker = 'gone', lease_until = clock_timestamp()"
_STATE = "select state from report_batch"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def test_leases_end_while_the_janitor_waits_for_the_object_store(
    env: Mapping[str, str], conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    trigger(database_url)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(60)
        settings = {
            "UPTILL_S3_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "UPTILL_SWEEP_S": "0.1",
            "UPTILL_JANITOR_S": "0.001",
        }
        with Services({**env, **settings}, tmp_path) as services:
            scheduler = services.scheduler()
            with closing(silent.accept()[0]):
                conn.execute(_TAKE)
                wait_until(lambda: conn.execute(_STATE).fetchone() == ("pending",), "the lease's end")
                assert not services.logged("sweep_skipped"), "the janitor is still waiting"
            assert scheduler.poll() is None


def test_a_statement_that_is_broken_off_costs_one_sweep(
    env: Mapping[str, str], conn: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    trigger(database_url)
    conn.execute(_TAKE)
    with Services({**env, "UPTILL_SWEEP_S": "0.1"}, tmp_path) as services:
        with psycopg.connect(database_url) as other:
            other.execute("lock table report_batch")
            scheduler = services.scheduler()
            cancel = (
                "select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
                " and application_name ^@ 'uptill-scheduler tzdata=' and datname = current_database()"
            )
            wait_until(lambda: conn.execute(cancel).fetchone(), "a statement that waits")
            wait_until(lambda: services.logged("canceling statement"), "its end")
        wait_until(lambda: conn.execute(_STATE).fetchone() == ("pending",), "the next sweep")
        assert scheduler.poll() is None
