"""A worker that is killed while it seals or opens a week loses nothing and doubles nothing, and the bytes of reports stay."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.ingest.run import ingest_paths
from shared.sealed.jobs import accept_sealing
from tests.chaos.test_facts_export_kill import storage_of
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from uptill_client import UptillClient

EVER = datetime(2100, 1, 1, tzinfo=UTC)
_ENDED = "select state = 'succeeded' from report where id = %s"
_POLLS = "select store_key, observed_at, is_active, since_seq from observation order by 1, 2"
_SEALED = "select count(*), sum(rows)::bigint from sealed_week where opened_at is null"


@pytest.fixture
def sealable(
    idle_services: Services, tmp_path: Path
) -> Iterator[tuple[Services, psycopg.Connection, datetime]]:
    """The small fleet, whose weeks are old: one store is polled a month later. Yields the newest poll before that."""
    services = idle_services
    url = services.settings["UPTILL_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as conn:
        ((newest,),) = conn.execute("select latest_observed_at from ledger_head")
        ((store_id,),) = conn.execute("select store_id from store order by 1 limit 1")
        file = tmp_path / "later.csv"
        later = newest + timedelta(days=30)
        file.write_text(f"store_id,status,timestamp_utc\n{store_id},active,{later:%Y-%m-%d %H:%M:%S} UTC\n")
        assert [done.state for done in ingest_paths(url, [str(file)])] == ["succeeded"]
        services.scheduler()
        services.api()
        yield services, conn, newest


def report_bytes(client: UptillClient, as_of: datetime, folder: Path) -> bytes:
    report = client.create_report(force=True, as_of=as_of, policy="hold", windows=["P7D", "last_day"])
    *_, ended = client.follow(report.id)
    assert ended.state == "succeeded", ended.error
    client.save(ended.files[0], folder / f"{report.id}.csv")
    return (folder / f"{report.id}.csv").read_bytes()


def polls(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(_POLLS).fetchall()


def start_seal(conn: psycopg.Connection) -> UUID:
    with conn.transaction():
        accepted = accept_sealing(conn, EVER, 0.1, None)
    assert accepted is not None
    return accepted.report_id


def has_ended(conn: psycopg.Connection, job_id: UUID) -> bool:
    return conn.execute(_ENDED, [job_id]).fetchone() == (True,)


@pytest.mark.parametrize(
    "name",
    [
        "seal.after_check",
        "complete.before_commit",
        pytest.param("seal.after_file", marks=pytest.mark.chaos),
        pytest.param("claim.after_commit", marks=pytest.mark.chaos),
        pytest.param("complete.after_commit", marks=pytest.mark.chaos),
        pytest.param("finalise.after_claim", marks=pytest.mark.chaos),
    ],
)
def test_a_worker_is_killed_while_it_seals_at(
    name: str, sealable: tuple[Services, psycopg.Connection, datetime], tmp_path: Path
) -> None:
    services, conn, newest = sealable
    before, first = polls(conn), services.worker()
    with services.client() as client:
        expected = report_bytes(client, newest, tmp_path)
        first.terminate()
        first.wait(60)
        victim = services.worker(**armed(name, "kill"))
        job_id = start_seal(conn)
        wait_until(lambda: victim.poll() is not None, "the worker's end")
        services.worker()
        # Some weeks may be sealed and some not.
        assert report_bytes(client, newest, tmp_path) == expected
        wait_until(lambda: has_ended(conn, job_id), "the job's end")
        ((weeks, rows),) = conn.execute(_SEALED)
        assert weeks >= 2
        assert rows + len(polls(conn)) == len(before)
        assert report_bytes(client, newest, tmp_path) == expected
        conn.execute("update sealed_week set wanted_at = now()")
        wait_until(lambda: polls(conn) == before, "the weeks to be opened")
        assert report_bytes(client, newest, tmp_path) == expected
    # What the dead worker left is known, so the janitor will find it.
    in_bucket = {item.key for item in storage_of(services).list("polls/")}
    known = {key for (key,) in conn.execute("select object from sealed_object")}
    assert len(in_bucket) >= weeks
    assert in_bucket <= known


@pytest.mark.parametrize(
    "name",
    [
        "open.after_copy",
        pytest.param("claim.after_commit", marks=pytest.mark.chaos),
        pytest.param("complete.before_commit", marks=pytest.mark.chaos),
        pytest.param("complete.after_commit", marks=pytest.mark.chaos),
    ],
)
def test_a_worker_is_killed_while_it_opens_at(
    name: str, sealable: tuple[Services, psycopg.Connection, datetime], tmp_path: Path
) -> None:
    """A file with a late poll is being loaded. It is written once, when the weeks are open."""
    services, conn, newest = sealable
    before, first = polls(conn), services.worker()
    job_id = start_seal(conn)
    wait_until(lambda: has_ended(conn, job_id), "the job's end")
    first.terminate()
    first.wait(60)
    victim = services.worker(**armed(name, "kill"))
    ((store_id,),) = conn.execute("select store_id from store order by 1 limit 1")
    late = newest - timedelta(days=3, microseconds=77)
    file = tmp_path / "late.csv"
    file.write_text(f"store_id,status,timestamp_utc\n{store_id},active,{late:%Y-%m-%d %H:%M:%S.%f} UTC\n")
    loading = services.start("services.cli", "ingest", str(file))
    wait_until(lambda: victim.poll() is not None, "the worker's end")
    services.worker()
    assert loading.wait(60) == 0
    conn.execute("update sealed_week set wanted_at = now() where opened_at is null")
    wait_until(lambda: conn.execute(_SEALED).fetchone() == (0, None), "the weeks to be opened")
    after = polls(conn)
    assert [row for row in after if row[1] != late] == before
    assert len(after) == len(before) + 1
