"""A process that stands still in the middle of a statement loses its session, and with it its locks."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.scheduler.frozen_clients import PATIENCE_S, FrozenClients
from shared.db.connect import make_pool, session_arguments
from shared.db.queries import queries
from tests.fixtures.logins import login_url
from tests.fixtures.services import wait_until

SOON_S = dict.fromkeys(PATIENCE_S, 0.5)
MANY_ROWS = "select repeat('x', 1000) from generate_series(1, 100000)"
_INGEST = queries("ingest")


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool]:
    with make_pool(
        login_url(database_url, "uptill_worker"), application_name="uptill-scheduler", max_size=1
    ) as pool:
        yield pool


@pytest.fixture
def client(database_url: str) -> Iterator[psycopg.Connection]:
    """A session of ingest, with all its time limits."""
    url = login_url(database_url, "uptill_ingest")
    # Closed without a COMMIT, which a session that was ended refuses.
    with closing(psycopg.connect(url, **session_arguments("uptill-ingest"))) as conn:
        yield conn


def begin(conn: psycopg.Connection, statement: str) -> None:
    conn.execute(_INGEST["lock_writers"])
    conn.pgconn.send_query(statement.encode())
    conn.pgconn.flush()


def ended(database_url: str, conn: psycopg.Connection) -> bool:
    with psycopg.connect(database_url) as other:
        return not other.execute(
            "select from pg_stat_activity where pid = %s", [conn.info.backend_pid]
        ).rowcount


@pytest.mark.parametrize("statement", ["copy incoming from stdin", MANY_ROWS])
def test_a_frozen_client_holds_the_writers_lock_no_longer(
    database_url: str, pool: ConnectionPool, client: psycopg.Connection, statement: str
) -> None:
    client.execute("create temp table incoming (value integer)")
    begin(client, statement)
    duty = FrozenClients(pool, SOON_S)
    duty.start()
    try:
        wait_until(lambda: ended(database_url, client), "the end of the frozen session")
    finally:
        duty.stop(10)
    with psycopg.connect(database_url, options="-c statement_timeout=20s") as other:
        other.execute(_INGEST["lock_writers"])


def test_a_slow_client_goes_on(pool: ConnectionPool, client: psycopg.Connection) -> None:
    client.execute("create temp table incoming (value text)")
    duty = FrozenClients(pool, dict.fromkeys(PATIENCE_S, 3.0))
    duty.start()
    try:
        with client.cursor().copy("copy incoming from stdin") as copy:
            for _ in range(45):
                copy.write(b"x" * 100_000 + b"\n")
                duty.join(0.1)
        client.commit()
    finally:
        duty.stop(10)


def test_a_client_that_is_frozen_between_two_transactions_holds_the_lock_of_hours_no_longer(
    database_url: str, client: psycopg.Connection
) -> None:
    client.autocommit = True
    client.execute(_INGEST["lock_local"])
    client.execute("select set_config('idle_session_timeout', '200', false)"
                   " where current_setting('idle_session_timeout') = '1min'")  # fmt: skip
    with psycopg.connect(database_url, options="-c statement_timeout=20s", autocommit=True) as other:
        other.execute(_INGEST["lock_local"])
        other.execute(_INGEST["unlock_local"])
        assert other.execute("show idle_session_timeout").fetchone() == ("0",)
