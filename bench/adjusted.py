"""What adjustments cost a report: a tenth of the stores get dated hours, special hours and a closure, and lose them at the end."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from services.ingest.run import ingest_paths

_EVERY = 10
_HEADS = {
    "dated": "store_id,dayOfWeek,start_time_local,end_time_local,effective_from",
    "special": "store_id,date,start_time_local,end_time_local",
    "closures": "store_id,starts_at,ends_at,treatment,reason,note",
}
_TABLES = ("dated_hours", "special_hours", "closure", "adjustment_change")


def compare_adjusted(stand: Stand, time_reports: Callable[[], list[float]], rounds: int) -> list[Figure]:
    """Time the same reports without adjustments, and with them. `time_reports` returns seconds, one value per report."""
    _remove_adjustments(stand.database_url)
    plain: list[float] = []
    adjusted: list[float] = []
    for _ in range(rounds):
        plain.append(statistics.median(time_reports()))
        with _adjustments(stand):
            adjusted.append(statistics.median(time_reports()))
    return [
        Figure(
            "trigger to link, classic, adjustments of a tenth of the stores",
            "s",
            adjusted,
            "without",
            plain,
            Target("<=", 1.25),
        )
    ]


@contextmanager
def _adjustments(stand: Stand) -> Iterator[None]:
    with psycopg.connect(stand.database_url) as conn:
        found = conn.execute("select store_id from store order by store_key").fetchall()
        (newest,) = conn.execute("select latest_observed_at from ledger_head").fetchone() or (None,)
    assert newest is not None
    with tempfile.TemporaryDirectory() as folder:
        files = _write_files(Path(folder), [store_id for (store_id,) in found[::_EVERY]], newest)
        for done in ingest_paths(stand.database_url, files):
            assert (done.state, done.rejected) == ("succeeded", 0), done
            assert done.accepted, done
    try:
        yield
    finally:
        _remove_adjustments(stand.database_url)


def _write_files(folder: Path, store_ids: list[str], newest: datetime) -> list[str]:
    """Write a file of each kind, about the last week. The same bytes as before would change nothing, so times differ."""
    minute_and_second = time.strftime("%M:%S")
    first, special = ((newest - timedelta(days=days)).date() for days in (3, 5))
    starts_at, ends_at = (newest - timedelta(days=2, hours=hours) for hours in (3, 1))
    rows = {
        "dated": [f"{{}},{day},08:00,21:{minute_and_second},{first}" for day in range(7)],
        "special": [f"{{}},{special},10:00,16:{minute_and_second}"],
        "closures": [f"{{}},{starts_at.isoformat()},{ends_at.isoformat()},exclude,other,{minute_and_second}"],
    }
    for kind, head in _HEADS.items():
        lines = [row.format(store_id) for store_id in store_ids for row in rows[kind]]
        (folder / f"{kind}.csv").write_text("\n".join([head, *lines]) + "\n")
    return [str(folder / f"{kind}.csv") for kind in _HEADS]


def _remove_adjustments(database_url: str) -> None:
    """Leave the database as if it had never had any. Workers notice by `adjusted_seq`, and read their data again."""
    with psycopg.connect(database_url) as conn:
        for table in _TABLES:
            conn.execute(f"delete from {table}".encode())
        conn.execute("update ledger_head set adjusted_seq = 0")
