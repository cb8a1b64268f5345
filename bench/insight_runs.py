"""Runs of insights: the first over eight weeks, one a day later, and one without news. CPU, and memory of the worker.

One thread of this process does the work. Its CPU and that of its Postgres sessions count, so that other load on the machine
matters less. Use `--days 63`, so that eight weeks are full.
"""

import asyncio
import resource
from collections.abc import Sequence

import psycopg
from psycopg import AsyncConnection

from bench.figures import Figure, Target
from bench.now import cpu_s
from bench.stand import Stand
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.open_context import open_context
from shared.insight_runs.jobs import get_run, trigger_insights
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings
from shared.telemetry import configure_logging

_CORE_S = 60
_MIB = 1024
# Franchises of 25 stores, in regions of 1,000.
_LABEL = (
    "update store set labels = jsonb_build_object('franchise', store_key / 25, 'region', store_key / 1000)"
)
_UNLABEL = "update store set labels = '{}'"
_TABLES = ("store_hours", "insight_skill", "store_risk", "insight_finding")


def run_insights(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure the runs of a loaded sample. `rounds` is not used for the first run, which counts everything."""
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in stand.env.items()}
    settings = Settings.model_validate({**values, "pool_size": 2})
    configure_logging("bench", "ERROR")
    with (
        open_context(settings, lambda _: False) as worker,
        psycopg.connect(stand.database_url, autocommit=True) as conn,
    ):
        for table in _TABLES:
            conn.execute(f"truncate {table}".encode())
        conn.execute(_LABEL)
        before = _peak_mib()
        first = cpu_s(conn, lambda: _work(worker, settings))
        again = [cpu_s(conn, lambda: _work(worker, settings)) for _ in range(rounds)]
        peak = _peak_mib()
        daily = []
        for _ in range(rounds):
            _forget_a_day(conn)
            daily.append(cpu_s(conn, lambda: _work(worker, settings)))
        conn.execute(_UNLABEL)
        ((size, found),) = conn.execute(
            "select pg_total_relation_size('store_hours') / 1048576.0, (select count(*) from insight_finding)"
        ).fetchall()
    return [
        Figure("first run, CPU", "s", [first], target=Target("<=", _CORE_S)),
        Figure("run of a day later, CPU", "s", daily, target=Target("<=", _CORE_S)),
        Figure("run without news, CPU", "s", again, target=Target("<=", _CORE_S)),
        Figure("peak memory of the process", "MiB", [peak]),
        Figure("of it before the runs", "MiB", [before]),
        Figure("store_hours", "MiB", [float(size)]),
        Figure("findings", "", [float(found)]),
    ]


def _work(worker: WorkerContext, settings: Settings) -> None:
    url = settings.database_url.get_secret_value()

    async def ask() -> None:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            await trigger_insights(conn, BatchTerms(settings.batch_stores, settings.republish_s))

    async def is_done() -> bool:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            row = await (
                await conn.execute("select max(id::text)::uuid from report where kind = 'insights'")
            ).fetchone()
            return row is not None and (await get_run(conn, row[0])).state == "succeeded"

    asyncio.run(ask())
    while compute_next(worker) is not None:
        pass
    assert asyncio.run(is_done())


def _forget_a_day(conn: psycopg.Connection) -> None:
    """Make the rings end a day earlier, as they do before each daily run."""
    conn.execute("update store_hours set last_day = last_day - 1")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB
