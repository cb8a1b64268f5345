"""A year of a fleet: written, ingested, turned into facts, sealed beyond 8 weeks, reported, compared and exported.

Each step is done by the command or the call that a user would take. Random stores are compared with the oracle, which reads
the CSV files.
"""

import csv
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psutil
import psycopg

from bench.figures import Figure, Target
from bench.report import peak_mb
from bench.stand import Stand
from services.local.settings_file import service_environment
from shared.clock import to_us
from shared.uptime.window import window_names
from tests.fixtures.services import Services
from tests.oracle.accounting import DAY_US, HOUR_US, Poll, account
from tests.oracle.report import instant_us, printed_times, read_hours, rows_of
from uptill_client import ReportStatus, UptillClient

LEAST_DAYS = 100
_SEALED_AFTER = timedelta(weeks=8)
_COMPARED_STORES = 20
_LOOK_EVERY_S = 0.1
_WARM_UP = 1


@dataclass(frozen=True)
class _Run:
    """A command: how long it took, and its largest resident memory."""

    seconds: float
    peak_mb: float


def run_year(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure each step once, and reports in `rounds`. The stand must be empty."""
    assert stand.fleet.days >= LEAST_DAYS, f"the part year needs --days of at least {LEAST_DAYS}"
    written = _command(
        stand, "sample", str(stand.sample), f"--stores={stand.fleet.stores}", f"--days={stand.fleet.days}"
    )
    loaded = _command(stand, "ingest", str(stand.sample))
    with psycopg.connect(stand.database_url, autocommit=True) as conn:
        conn.execute("set statement_timeout = 0")
        polls = _count(conn, "select count(*) from observation")
        conn.execute("vacuum (analyze)")
        figures = [
            *_rows("sample", polls, written),
            *_rows("ingest", polls, loaded),
            Figure("a poll in Postgres", "bytes", [_table_bytes(conn) / polls]),
        ]
        with Services(stand.env, stand.folder / "logs", warm=False) as services, services.client() as client:
            api = services.api()
            services.scheduler()
            worker = services.worker()
            figures += _build_facts(conn, client, stand)
            conn.execute("vacuum (analyze) store_day, store_month, store_day_mark")
            figures += _seal(stand, conn, polls)
            figures += _time_reports(client, stand, rounds)
            figures += _export(client)
            _compare_with_oracle(client, stand)
            figures += [
                Figure("peak memory, a worker", "MB", [peak_mb(worker.pid)], target=Target("<=", 512)),
                Figure("peak memory, the API", "MB", [peak_mb(api.pid)], target=Target("<=", 200)),
            ]
    return figures


def _command(stand: Stand, *command: str) -> _Run:
    """Run a command of `uptill` to its end."""
    began = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", "services.cli", *command],
        env=service_environment(stand.env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = 0.0
    while process.poll() is None:
        try:
            peak = max(peak, peak_mb(process.pid))
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, IndexError):
            break  # it has just ended
        time.sleep(_LOOK_EVERY_S)
    assert process.wait() == os.EX_OK, command
    return _Run(time.perf_counter() - began, peak)


def _rows(name: str, rows: int, run: _Run) -> list[Figure]:
    return [
        Figure(f"{name}: polls a second", "", [rows / run.seconds]),
        Figure(f"{name}: peak memory", "MB", [run.peak_mb], target=Target("<=", 512)),
    ]


def _build_facts(conn: psycopg.Connection, client: UptillClient, stand: Stand) -> list[Figure]:
    newest = _newest(conn).date()
    began = time.perf_counter()
    *_, job = client.follow_facts(
        client.build_facts(newest - timedelta(days=stand.fleet.days), newest).id, every_s=0.2
    )
    assert (job.state, job.stores_failed) == ("succeeded", 0), job
    seconds = time.perf_counter() - began
    return [
        Figure(
            "facts: days of stores a second", "", [_count(conn, "select count(*) from store_day") / seconds]
        )
    ]


def _seal(stand: Stand, conn: psycopg.Connection, polls: int) -> list[Figure]:
    """Seal the weeks that ended more than 8 weeks before the newest poll."""
    before_bytes = _table_bytes(conn)
    run = _command(stand, "archive", f"--before={_newest(conn) - _SEALED_AFTER:%Y-%m-%d}")
    sealed = "from sealed_week where opened_at is null"
    weeks, rows = (
        _count(conn, f"select count(*) {sealed}"),
        _count(conn, f"select sum(rows)::bigint {sealed}"),
    )
    assert 0 < rows < polls
    conn.execute("vacuum full sealed_store")
    kept = _count(conn, "select pg_total_relation_size('sealed_store')")
    return [
        Figure("seal: polls a second", "", [rows / run.seconds]),
        Figure("seal: a week", "s", [run.seconds / weeks]),
        Figure(
            "a poll in the bucket", "bytes", [_count(conn, f"select sum(size_bytes)::bigint {sealed}") / rows]
        ),
        Figure("of a sealed poll, left in Postgres", "bytes", [kept / rows]),
        Figure("table of polls after sealing / before", "x", [_table_bytes(conn) / before_bytes]),
    ]


def _time_reports(client: UptillClient, stand: Stand, rounds: int) -> list[Figure]:
    """Time reports over long windows beside a plain one, and a series beside the month before."""
    asked: Mapping[str, Callable[[], Any]] = {
        "plain": partial(_make_report, client, None),
        "quarter": partial(_make_report, client, ["previous_quarter"]),
        "compared": partial(_make_report, client, ["previous_quarter", "before:previous_quarter"]),
        "year": partial(_make_report, client, [f"P{stand.fleet.days}D"]),
        "series": partial(client.series, "previous_month", by="month", group="zone", compare="previous"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(_WARM_UP + rounds):
        for name, make in asked.items():
            began = time.perf_counter()
            make()
            seconds[name].append(time.perf_counter() - began)
    kept = {name: values[_WARM_UP:] for name, values in seconds.items()}
    plain = ("a plain report", kept["plain"])
    return [
        Figure("a report of previous_quarter", "s", kept["quarter"], *plain),
        Figure("the quarter before beside it", "s", kept["compared"], *plain),
        Figure("a report of all days", "s", kept["year"], *plain, Target("<=", 3)),
        Figure("a series of a month beside the one before", "ms", [1000 * s for s in kept["series"]]),
    ]


def _make_report(client: UptillClient, windows: list[str] | None) -> ReportStatus:
    *_, ended = client.follow(client.create_report(force=True, windows=windows).id)
    assert ended.state == "succeeded", ended.error
    return ended


def _export(client: UptillClient) -> list[Figure]:
    """Write all months of facts as Parquet."""
    began = time.perf_counter()
    *_, ended = client.follow_facts_export(client.export_facts().id, every_s=0.2)
    seconds = time.perf_counter() - began
    assert ended.state == "succeeded", ended.error
    rows = sum(file.rows for file in ended.files)
    return [
        Figure("export: facts a second", "", [rows / seconds]),
        Figure("an exported fact", "bytes", [sum(file.size_bytes for file in ended.files) / rows]),
    ]


def _compare_with_oracle(client: UptillClient, stand: Stand) -> None:
    """Compare random stores in a report of the fleet with what the oracle computes from the files."""
    windows = [f"P{stand.fleet.days}D", "previous_quarter", "before:previous_quarter"]
    ended = _make_report(client, windows)
    with urllib.request.urlopen(ended.files[0].url) as answer:
        rows = {row["store_id"]: row for row in csv.DictReader(answer.read().decode().splitlines())}
    chosen = random.Random(stand.fleet.stores).sample(sorted(rows), _COMPARED_STORES)
    hours = read_hours(stand.sample / "menu_hours.csv")
    zones = {row["store_id"]: row["timezone_str"] for row in rows_of(stand.sample / "timezones.csv")}
    polls = _read_polls(stand.sample / "store_status.csv", chosen)
    lengths: dict[str, int | str] = {text: text for text in windows[1:]} | {
        windows[0]: stand.fleet.days * DAY_US
    }
    for store_id in chosen:
        found = account(
            zones.get(store_id), hours[store_id], polls[store_id], to_us(ended.as_of), "classic", lengths
        )
        for text, name in zip(windows, window_names(windows), strict=True):
            shown = printed_times(found[text], HOUR_US)
            expected = shown["up_us"], shown["down_us"]
            assert (rows[store_id][f"uptime_{name}"], rows[store_id][f"downtime_{name}"]) == expected


def _read_polls(file: Path, store_ids: Sequence[str]) -> Mapping[str, Sequence[Poll]]:
    """Return the polls of stores in the order of the file: with several threads, DuckDB may return them in another."""
    found = (
        duckdb.connect(config={"threads": 1})
        .execute(
            "select store_id, status, timestamp_utc from read_csv($1, all_varchar = true) where list_contains($2, store_id)",
            [str(file), list(store_ids)],
        )
        .fetchall()
    )
    polls: dict[str, list[Poll]] = {each: [] for each in store_ids}
    for store_id, status, at in found:
        polls[store_id].append(Poll(instant_us(at), status == "active"))
    return polls


def _newest(conn: psycopg.Connection) -> datetime:
    ((newest,),) = conn.execute("select latest_observed_at from ledger_head").fetchall()
    assert isinstance(newest, datetime)
    return newest.astimezone(UTC)


def _count(conn: psycopg.Connection, statement: str) -> int:
    ((number,),) = conn.execute(statement.encode()).fetchall()
    return int(number)


def _table_bytes(conn: psycopg.Connection) -> int:
    """Return the bytes of the polls, their indexes included."""
    return _count(
        conn,
        "select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits where inhparent = 'observation'::regclass",
    )
