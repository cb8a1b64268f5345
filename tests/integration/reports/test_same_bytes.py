"""Promise 15: the same polls, however they came and however the work is cut, make the same file, which is the oracle's."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, ingest_paths
from services.sample import write_sample
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from tests.fixtures.buckets import content_of
from tests.fixtures.reports import trigger
from tests.oracle.report import expected_csv

_NAMES = ("store_status.csv", "menu_hours.csv", "timezones.csv")


def deliver(database_url: str, folder: Path, *, files: int, times: int, draw: random.Random) -> None:
    """Load the sample with its polls in another order, in so many files, so often."""
    header, *polls = (folder / "store_status.csv").read_text().splitlines(keepends=True)
    draw.shuffle(polls)
    parts = []
    for number in range(files):
        parts.append(folder / f"polls-{number}.csv")
        parts[-1].write_text(header + "".join(polls[number::files]))
    for path in (*parts * times, *(folder / name for name in _NAMES[1:])):
        ingest_paths(
            database_url,
            [str(path)],
            options=LoadOptions(limits=Limits(chunk_bytes=draw.choice([10_000, 1_000_000]))),
        )


@pytest.mark.parametrize(
    ("files", "times", "batch_stores", "workers"),
    [(1, 1, 100, 1), (3, 1, 7, 2), (5, 2, 1, 2), (2, 2, 11, 1)],
)
def test_the_file_is_the_same(
    files: int,
    times: int,
    batch_stores: int,
    workers: int,
    worker: WorkerContext,
    database_url: str,
    tmp_path: Path,
) -> None:
    write_sample(tmp_path, stores=24, days=8)
    expected = expected_csv(*(tmp_path / name for name in _NAMES))
    deliver(database_url, tmp_path, files=files, times=times, draw=random.Random(batch_stores))
    wakes = list(trigger(database_url, batch_stores=batch_stores).wakes)
    random.Random(batch_stores).shuffle(wakes)
    with ThreadPoolExecutor(workers) as threads:
        assert all(threads.map(lambda wake: compute_batch(worker, wake.report_id, wake.batch_no), wakes))
    with psycopg.connect(database_url) as conn:
        ((key, rows),) = conn.execute("select object, rows from report_file").fetchall()
        batches = conn.execute("select count(*) from report_batch").fetchone()
    assert batches == (len(wakes),)
    assert rows == 24
    assert content_of(worker.storage, key) == expected
