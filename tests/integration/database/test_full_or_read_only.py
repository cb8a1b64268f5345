"""A Postgres that is full or read-only is one that is away: 503 and no 202, claims given back, imports not to blame."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql

from services.api.main import create_app
from services.ingest.run import ingest_paths
from services.ingest.write import reconnect
from services.worker import compute_batch as use_case
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.part import RenderedPart, render_part
from shared.db.connect import borrowed, make_pool
from shared.errors import DatabaseUnavailable
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until
from tests.integration.api.test_api import FLEET

Fault = Callable[[psycopg.Connection], None]
_TABLES = ("report", "report_batch", "import", "import_chunk")


def read_only(conn: psycopg.Connection) -> None:
    """As a standby, or a server whose operator has seen the disk fill up: for every session from now on."""
    name = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    conn.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                 " where datname = current_database() and pid <> pg_backend_pid()")  # fmt: skip


def full(conn: psycopg.Connection) -> None:
    """What Postgres says when a table cannot grow."""
    conn.execute("create function no_room() returns trigger language plpgsql as $$ begin"
                 " raise 'could not extend file: No space left on device' using errcode = '53100'; end $$")  # fmt: skip
    for table in _TABLES:
        conn.execute(
            f"create trigger no_room before insert or update on {table} execute function no_room()".encode()
        )


def mend(conn: psycopg.Connection) -> None:
    conn.execute("set default_transaction_read_only = off")
    name = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("alter database {} reset default_transaction_read_only").format(name))
    conn.execute("drop function if exists no_room cascade")
    conn.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                 " where datname = current_database() and pid <> pg_backend_pid()")  # fmt: skip


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET | {"fourth": Store()})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


FAULTS = pytest.mark.parametrize("fault", [read_only, full])


@FAULTS
def test_nothing_is_accepted(
    fault: Fault, settings: Settings, env: Mapping[str, str], conn: psycopg.Connection
) -> None:
    headers = {"Authorization": f"Bearer {env['UPTILL_API_KEY']}"}
    fault(conn)
    with TestClient(create_app(settings), headers=headers, raise_server_exceptions=False) as api:
        answer = api.post("/v1/reports")
        detail = problem(answer, 503, "unavailable")["detail"]
        assert fault is not full or detail == "the disk of the database is full: free space on it"
        assert answer.headers["retry-after"]
        assert conn.execute("select count(*) from report").fetchone() == (0,)
        mend(conn)
        wait_until(lambda: api.post("/v1/reports").status_code == 202, "the pool's new connections")


@FAULTS
def test_a_batch_in_hand_is_given_back_and_the_claim_does_not_count(
    fault: Fault,
    worker: WorkerContext,
    conn: psycopg.Connection,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report_id = trigger(database_url, batch_stores=9).report_id
    waits: list[float] = []

    def strike(*arguments: object) -> RenderedPart:
        fault(conn)
        return render_part(*arguments)  # type: ignore[arg-type]

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            mend(conn)

    monkeypatch.setattr(use_case, "render_part", strike)
    # Of this module only: other threads of the process sleep too.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=wait)
    monkeypatch.setattr("services.worker.release_lease.time", clock)
    assert not compute_batch(worker, report_id, 0)
    assert waits, "it waited until it could give the claim back"
    assert conn.execute("select state, attempt, burnt from report_batch").fetchone() == ("pending", 1, 0)
    monkeypatch.undo()
    conn.execute("update report_batch set due_since = clock_timestamp()")  # the pause is over
    # A claim may meet one of the pool's sessions that `mend` ended, and is undone then.
    wait_until(lambda: compute_batch(worker, report_id, 0), "a claim on a new session")
    assert conn.execute("select state from report").fetchone() == ("succeeded",)


@FAULTS
def test_an_import_stops_as_one_that_goes_on_later(
    fault: Fault,
    conn: psycopg.Connection,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = tmp_path / "polls.csv"
    polls.write_text("store_id,status,timestamp_utc\n0042,active,2024-10-15 12:00:00 UTC\n")
    monkeypatch.setattr(reconnect, "PATIENCE_S", 0.5)
    fault(conn)
    with pytest.raises(DatabaseUnavailable):
        ingest_paths(database_url, [str(polls)])
    mend(conn)
    assert [result.state for result in ingest_paths(database_url, [str(polls)])] == ["succeeded"]


def stand_still(conn: psycopg.Connection, database_url: str) -> None:
    """In a transaction, for longer than the server lets anybody."""
    conn.execute("set idle_in_transaction_session_timeout = '50ms'")
    alive = "select 1 from pg_stat_activity where pid = %s"
    with psycopg.connect(database_url, autocommit=True) as other:
        wait_until(lambda: not other.execute(alive, [conn.info.backend_pid]).fetchone(), "its session's end")
    conn.execute("select 1")


def test_a_session_that_was_ended_as_its_process_was_frozen_is_an_outage(database_url: str) -> None:
    with make_pool(database_url, application_name="test", max_size=1) as pool:
        with pytest.raises(DatabaseUnavailable), borrowed(pool) as conn:
            stand_still(conn, database_url)
        with borrowed(pool) as conn:
            assert conn.execute("select 1").fetchone() == (1,)
