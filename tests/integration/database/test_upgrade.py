"""This release's code on the next release's schema: whatever that adds, everything here still works, old processes and all."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from psycopg import sql

from shared.db.migrate import migrate
from shared.keys import create_key
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success
from tests.integration.ingest.service import ended, ingest_service


@pytest.fixture
def next_schema_url(database_url: str) -> str:
    """The database after a migration of the next release: a column in every table, in every way that is allowed."""
    with psycopg.connect(database_url) as conn:
        tables = [
            name
            for (name,) in conn.execute(
                "select relname from pg_class where relkind in ('r', 'p') and not relispartition"
                " and relnamespace = 'public'::regnamespace"
            )
        ]
        for name in tables:
            added = sql.SQL(
                "alter table {} add column next_nullable text, add column next_default integer not null default 7"
            )
            conn.execute(added.format(sql.Identifier(name)))
        conn.execute("create table next_table (report_id uuid references report on delete cascade)")
        conn.execute(
            "insert into schema_migration (version, name, digest) values (9999, '9999_next', 'of the next release')"
        )
    return database_url


def test_old_processes_work_on_the_next_schema(
    env: dict[str, str], next_schema_url: str, tmp_path: Path
) -> None:
    fleet = SmallFleet.make(tmp_path / "sample")
    assert migrate(next_schema_url) == []  # an old `uptill migrate` changes nothing
    poll = {"store_id": "live", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
    hours = {"hours": [{"day_of_week": 0, "start_time_local": "09:00", "end_time_local": "17:00"}]}
    with ingest_service(next_schema_url, tmp_path / "spool") as ingest:
        assert ingest.post("/v1/observations", json={"observations": [poll]}).status_code == 200
        assert ingest.put("/v1/stores/live/hours", json=hours).status_code == 200
        csv = b"store_id,status,timestamp_utc\nfile,active,2024-09-02 00:00:00 UTC\nfile,x,y\n"
        assert ended(ingest, ingest.post("/v1/imports", content=csv))["state"] == "succeeded"
    with psycopg.connect(next_schema_url) as conn:
        conn.execute("delete from observation")
        conn.execute("delete from business_hours")
        conn.execute("delete from store")
    fleet.load(next_schema_url)
    with Services({**env, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        services.api()
        services.worker()
        services.scheduler()
        with services.client() as client:
            made = client.create_report()
        await_success(services, made.id, fleet.expected, tmp_path)
        for command in (("keys", "create", "old"), ("keys", "list"), ("doctor",)):
            run = services.run(*command)
            assert run.returncode == 0, run.stdout + run.stderr
        assert not services.logged("Traceback")


def test_new_processes_wait_for_their_schema(env: dict[str, str], database_url: str, tmp_path: Path) -> None:
    """The newest migration comes late: nobody works before, and everybody does after, without a restart."""
    with psycopg.connect(database_url, autocommit=True) as conn, Services(env, tmp_path) as services:
        late = conn.execute(
            "delete from schema_migration where version = (select max(version) from schema_migration)"
            " returning version, name, digest"
        ).fetchone()
        assert late is not None
        ready = f"{env['UPTILL_API_URL']}/readyz"
        services.start("services.api", f"--port={urlsplit(ready).port}")
        wait_until(lambda: _answer(ready) is not None, "the API to answer")
        answer = _answer(ready)
        assert answer is not None
        assert answer.status_code == 503
        assert f"this release needs {late[0]:04}" in answer.json()["components"]["database"]
        services.worker(UPTILL_SWEEP_S="0.1")
        services.scheduler(UPTILL_SWEEP_S="0.1")
        wait_until(lambda: waiting(tmp_path) == 2, "both to say that they wait")
        made = create_key(conn, name="made", scopes=["reports:write"])
        accepted = httpx2.post(
            f"{env['UPTILL_API_URL']}/v1/reports", headers={"Authorization": f"Bearer {made}"}
        )
        assert accepted.status_code == 202  # the schema is in fact there: only its row is late
        assert conn.execute("select state from report").fetchone() == ("queued",)
        conn.execute("insert into schema_migration (version, name, digest) values (%s, %s, %s)", late)
        wait_until(
            lambda: conn.execute("select state from report").fetchone() == ("succeeded",), "the report"
        )
        answer = _answer(ready)
        assert answer is not None
        assert answer.status_code == 200


def test_on_an_empty_database_nobody_is_ready(
    empty_database_url: str, env: dict[str, str], tmp_path: Path
) -> None:
    with Services({**env, "UPTILL_DATABASE_URL": empty_database_url}, tmp_path) as services:
        ready = f"{env['UPTILL_API_URL']}/readyz"
        services.start("services.api", f"--port={urlsplit(ready).port}")
        wait_until(lambda: _answer(ready) is not None, "the API to answer")
        answer = _answer(ready)
        assert answer is not None
        assert (answer.status_code, "needs" in answer.json()["components"]["database"]) == (503, True)


def waiting(logs: Path) -> int:
    """How many processes have said that they wait."""
    return sum("waiting_for_schema" in log.read_text() for log in logs.glob("*.log"))


def _answer(url: str) -> httpx2.Response | None:
    try:
        return httpx2.get(url, timeout=5)
    except httpx2.HTTPError:
        return None
