"""A change whose early number lies before the mark of a facts job, and its commit after it, is a later change."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.ingest.run import ingest_paths
from services.ingest.run.limits import Limits
from services.ingest.run.load_options import LoadOptions
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.db.queries import queries
from shared.reports.batch import Batch
from tests.integration.facts.test_facts_in_reports import part, used
from tests.integration.facts.test_facts_walk import batches, build, from_nothing, stored
from tests.integration.ingest.database import load
from tests.integration.reports.test_early_numbers import FILES, poll_live, waiting, write_file
from tests.integration.reports.test_input_cache import ROOMY

# An attempt that gives up would take another early number.
_PATIENT = LoadOptions(Limits(lock_timeout_s=250))
_LOCK = queries("ingest")["lock_writers"]
_FIRST, _LAST = date(2024, 10, 8), date(2024, 10, 28)
_BEGIN = datetime(2024, 10, 1, tzinfo=UTC)


def load_polls(url: str, folder: Path) -> None:
    lines = [
        f"{store},{'inactive' if hour % 7 == 0 else 'active'},{_BEGIN + timedelta(hours=hour):%Y-%m-%d %H:%M:%S} UTC"
        for store in "abc"
        for hour in range(0, 30 * 24, 3)
    ]
    load(url, folder / "polls.csv", ["store_id,status,timestamp_utc", *lines])


@contextmanager
def between_the_numbers(url: str, file: Path) -> Iterator[None]:
    """Run the block after a file took its early number and a live poll the next one, and before the file's commit."""
    with ThreadPoolExecutor() as pool, psycopg.connect(url, application_name="second") as second:
        with psycopg.connect(url) as first:
            first.execute(_LOCK)
            polled = pool.submit(poll_live, url)
            with waiting(url, "uptill-live"):
                locked = pool.submit(second.execute, _LOCK)
            with waiting(url, "second"):
                loaded = pool.submit(ingest_paths, url, [str(file)], options=_PATIENT)
            with waiting(url, "uptill-ingest"):
                first.commit()
        polled.result()
        locked.result()
        yield
        second.commit()
        assert loaded.result()[0].state == "succeeded"


def report(worker: WorkerContext, job_id: UUID) -> Batch:
    (batch, *_) = batches(worker, job_id)
    asked = {"kind": "report", "first_day": None, "last_day": None, "windows": ["P20D"]}
    return Batch(**vars(batch) | asked | {"as_of": datetime(2024, 10, 31, 12, tzinfo=UTC)})


@pytest.mark.parametrize("kind", FILES)
def test_facts_from_between_the_two_numbers_of_a_change_do_not_hold(
    database_url: str, worker: WorkerContext, tmp_path: Path, kind: str
) -> None:
    load_polls(database_url, tmp_path)
    ingest_paths(database_url, [str(write_file(tmp_path, kind, 0))])
    build(database_url, worker, _FIRST, _LAST)
    with between_the_numbers(database_url, write_file(tmp_path, kind, 1)):
        batch = report(worker, build(database_url, worker, _FIRST, _LAST))
        before, uses = stored(database_url), used()
        with psycopg.connect(database_url) as conn:
            shown = part(conn, InputCache(ROOMY), batch)
        assert used() == uses + 1
    with psycopg.connect(database_url) as conn:
        ((early, effective),) = conn.execute(
            "select * from early_number order by seq desc limit 1"
        ).fetchall()
        assert conn.execute("select min(seq), max(seq) from store_day_mark").fetchone() == (early + 1,) * 2
        assert early + 1 < effective
        conn.commit()
        again = part(conn, InputCache(ROOMY), batch)
        assert again == part(conn, InputCache(0, uses_facts=False), batch)
        # A zone moves no time in or out of windows without hours.
        assert (again == shown) == (kind == "zones")
    job_id = build(database_url, worker, _FIRST, _LAST)
    found = stored(database_url)
    assert found != before
    assert found == from_nothing(database_url, worker, job_id)
