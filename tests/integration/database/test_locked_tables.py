"""A table that stays locked costs no attempt, of a report or of an import: both wait, and go on when it is free."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer

import psycopg
import pytest

from services.ingest.http.importer import Importer
from services.ingest.run import Limits, LoadOptions, load_source
from services.ingest.sources.files import FileSource
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.db.connect import make_pool
from shared.reports.claim import LeaseTerms
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ended, ingest_service

LOCK_TIMEOUT_S = 0.1
POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"


@pytest.fixture
def operator(database_url: str) -> Iterator[psycopg.Connection]:
    """Somebody who works on the table, in a transaction that stays open."""
    with psycopg.connect(database_url) as conn:
        yield conn
        conn.rollback()


def lock(conn: psycopg.Connection, table: str = "observation") -> None:
    conn.execute(f"lock table {table} in access exclusive mode")


def test_a_batch_gives_its_claim_back(env: dict[str, str], operator: psycopg.Connection) -> None:
    url = env["UPTILL_DATABASE_URL"]
    load_fleet(url, {"store": Store(polls=[(datetime(2024, 10, 14, tzinfo=UTC), True)])})
    report_id = trigger(url).report_id
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    storage = make_storage(Settings.model_validate(values))
    with make_pool(url, application_name="test", max_size=2, lock_timeout_s=LOCK_TIMEOUT_S) as pool:
        worker = WorkerContext(pool, storage, LeaseTerms("test", 60, 1), lambda _: None, InputCache(1 << 27))
        lock(operator)
        for _ in range(3):
            assert not compute_batch(worker, report_id, 0)
            with psycopg.connect(url) as conn:
                batch = conn.execute("select state, burnt, error ->> 'detail' from report_batch").fetchone()
                assert batch is not None
                assert batch[:2] == ("pending", 0)
                assert "holds a lock" in batch[2]
                conn.execute(
                    "update report_batch set due_at = clock_timestamp(), due_since = clock_timestamp()"
                )
        operator.rollback()
        assert compute_batch(worker, report_id, 0)
    with psycopg.connect(url) as conn:
        assert conn.execute("select state from report").fetchone() == ("succeeded",)


@pytest.mark.parametrize("table", ["observation", "store"])
def test_a_load_of_the_command_waits(
    database_url: str, tmp_path: Path, operator: psycopg.Connection, table: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(POLLS)
    lock(operator, table)
    freed = Timer(4 * LOCK_TIMEOUT_S, operator.rollback)
    freed.start()
    result = load_source(
        database_url, FileSource(path), options=LoadOptions(limits=Limits(lock_timeout_s=LOCK_TIMEOUT_S))
    )
    freed.join()
    assert (result.state, result.accepted) == ("succeeded", 1)
    check_ledger(database_url)


def test_an_upload_waits_as_long_as_it_takes(
    database_url: str, tmp_path: Path, operator: psycopg.Connection
) -> None:
    """Longer than five attempts; meanwhile the importer serves others, and nothing counts as one."""
    with (
        ingest_service(database_url, tmp_path / "spool", lock_timeout_s=LOCK_TIMEOUT_S) as service,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        lock(operator)
        answer = service.post("/v1/imports?name=waits", content=POLLS)
        importer: Importer = service.app.state.context.importer  # type: ignore[attr-defined]
        refusals = 0
        for _ in range(6):  # each time without the pause
            wait_until(lambda: bool(importer._pauses), "a refused attempt")
            refusals += 1
            importer._pauses.clear()
            importer.notify()
            shown = service.get(f"/v1/imports/{answer.json()['id']}").json()
            assert shown["state"] in {"queued", "running"}
        other = service.post("/v1/imports?name=other", content=b"store_id,timezone_str\na,America/Denver\n")
        assert ended(service, other)["state"] == "succeeded"
        operator.rollback()
        importer._pauses.clear()
        importer.notify()
        assert ended(service, answer)["state"] == "succeeded"
        assert refusals > conn.execute("select max(attempts) from import").fetchall()[0][0]
    check_ledger(database_url)
