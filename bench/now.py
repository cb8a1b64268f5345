"""Live state: a full refresh next to a plain report of the same stores, and what an idle minute costs.

One thread of this process computes both, in turn, from a sample that ends now. Its CPU and that of its Postgres sessions
count, so that other load on the machine matters less.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from dramatiq.brokers.redis import RedisBroker

from bench.figures import Figure, Target
from bench.own_database import load_recent_sample, make_database
from bench.stand import Stand
from services.ingest.run import ingest_paths
from services.scheduler.live_state import keep_live_state
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.open_context import open_context
from shared.queue import make_broker
from shared.settings import Settings
from shared.telemetry import configure_logging
from tests.fixtures.reports import trigger

_DATABASE = "uptill_bench_now"
_DAYS = 10
_SWEEPS_A_MINUTE = 30
_MINUTES = 10
_DUE = "update report_batch set due_since = now(), due_at = now() where report_id in (select id from report where kind = 'now')"


@dataclass(frozen=True)
class _Bench:
    """What the measured steps work with."""

    settings: Settings
    worker: WorkerContext
    broker: RedisBroker
    conn: psycopg.Connection

    @property
    def database_url(self) -> str:
        return self.settings.database_url.get_secret_value()

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self.conn.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def look(self) -> None:
        keep_live_state(self.worker.pool, self.broker, self.settings)

    def work(self) -> int:
        """Compute all that is due; return how many batches."""
        batches = 0
        while compute_next(self.worker) is not None:
            batches += 1
        return batches


def run_now(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure a full refresh of unchanged data and of a new poll per store, each beside a plain report; and idle minutes."""
    with _prepared(stand) as bench:
        bench.look()
        bench.execute(_DUE)
        first = [_cpu_s(bench, bench.work)]
        plain: dict[str, list[float]] = {"again": [], "polls": []}
        ours: dict[str, list[float]] = {"again": [], "polls": []}
        for number in range(1 + rounds):
            for name, before in (("again", _forget_the_rule), ("polls", _send_polls)):
                before(bench)
                report, refresh = _report_s(bench), _refresh_s(bench)
                if number:
                    plain[name].append(report)
                    ours[name].append(refresh)
        idle = _idle_minute_ms(bench)
        batches, stores = bench.execute("select count(distinct batch_no), count(*) from store_now")[0]
    return [
        Figure(f"first refresh, {stores:,} stores, {batches} batches, CPU", "s", first),
        Figure("full refresh, CPU", "s", ours["again"], "plain report", plain["again"], Target("<=", 1.2)),
        Figure(
            "refresh after a poll per store, CPU",
            "s",
            ours["polls"],
            "plain report",
            plain["polls"],
            Target("<=", 1.2),
        ),
        Figure("an idle minute, CPU", "ms", idle, target=Target("<=", 50)),
    ]


@contextmanager
def _prepared(stand: Stand) -> Iterator[_Bench]:
    url = make_database(stand, _DATABASE)
    load_recent_sample(url, stand.fleet.stores, _DAYS)
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in stand.env.items()}
    settings = Settings.model_validate({**values, "database_url": url, "pool_size": 2})
    configure_logging("bench", "ERROR")
    broker = make_broker(settings.redis_url.get_secret_value())
    with (
        open_context(settings, lambda _: False) as worker,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        # A report has no rows for stores that were never polled.
        conn.execute("delete from store where polled_since_seq is null")
        conn.execute("vacuum (analyze)")
        yield _Bench(settings, worker, broker, conn)
    broker.close()


def _report_s(bench: _Bench) -> float:
    trigger(bench.database_url, batch_stores=bench.settings.batch_stores)
    return _cpu_s(bench, bench.work)


def _refresh_s(bench: _Bench) -> float:
    bench.execute(_DUE)
    return _cpu_s(bench, bench.work)


def _idle_minute_ms(bench: _Bench) -> list[float]:
    """Ten minutes in which nothing changes: the scheduler's looks, with one skipped refresh a minute."""
    bench.execute("update now_batch set changes_at = now() + interval '1 day'")

    def run() -> None:
        for _ in range(_MINUTES):
            bench.execute(_DUE)
            for _ in range(_SWEEPS_A_MINUTE):
                bench.look()

    return [_cpu_s(bench, run) * 1000 / _MINUTES]


def _cpu_s(bench: _Bench, step: Callable[[], object]) -> float:
    return cpu_s(bench.conn, step)


def cpu_s(conn: psycopg.Connection, step: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of all Postgres sessions of the database."""
    pids = conn.execute(
        "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
    ).fetchall()
    began_s = {pid: _session_s(pid) for (pid,) in pids}
    process_s = time.process_time()
    step()
    postgres_s = sum(max(_session_s(pid) - before_s, 0.0) for pid, before_s in began_s.items())
    return postgres_s + time.process_time() - process_s


def _session_s(pid: int) -> float:
    """Return the CPU seconds of a session; 0 if it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _forget_the_rule(bench: _Bench) -> None:
    """Nothing changes, but the next refresh may skip nothing: the rows are those of another rule."""
    bench.execute("update now_batch set made_by = ''")


def _send_polls(bench: _Bench) -> None:
    now = datetime.now(UTC)
    stores = bench.execute("select store_id from store where polled_since_seq is not null order by store_key")
    rows = (
        f"{store_id},{('active', 'inactive')[n % 9 == 0]},{now:%Y-%m-%d %H:%M:%S.%f} UTC"
        for n, (store_id,) in enumerate(stores)
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "polls.csv").write_text("\n".join(["store_id,status,timestamp_utc", *rows]) + "\n")
        (done,) = ingest_paths(bench.database_url, [folder])
        assert done.accepted == len(stores), done
