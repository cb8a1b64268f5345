"""Nights: the facts of a finished day after a normal day of polls, and after one late poll, beside plain reports.

One thread of this process computes all of it, in turn, from a sample that ends some days ago. Its CPU and that of its
Postgres sessions count, so that other load on the machine matters less.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
from psycopg import AsyncConnection

from bench.figures import Figure, Target
from bench.now import cpu_s
from bench.own_database import load_folder, make_database
from bench.stand import Stand
from services.sample import write_sample
from services.scheduler.nightly_facts import AFTER, days_back
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from services.worker.open_context import open_context
from shared.facts.jobs import FactsRequest, trigger_facts
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings
from shared.telemetry import configure_logging
from tests.fixtures.reports import trigger

_DATABASE = "uptill_bench_nights"
_DAYS = 16
_WARM_UP = 1
# The sample has a poll of each store every two hours too.
_POLL_EVERY = timedelta(hours=2)
_LATE = timedelta(days=5)


@dataclass(frozen=True)
class _Bench:
    """What the measured steps work with. `forgetful` is the same worker without a cache of inputs."""

    url: str
    batch_stores: int
    worker: WorkerContext
    forgetful: WorkerContext
    conn: psycopg.Connection

    def night_s(self, at: datetime) -> float:
        """Return the CPU of the job that the scheduler would request at an instant."""
        asyncio.run(self._accept(at))
        return cpu_s(self.conn, lambda: _work(self.worker))

    async def _accept(self, at: datetime) -> None:
        request = FactsRequest((at - days_back("classic")).date(), (at - timedelta(days=2)).date())
        async with await AsyncConnection.connect(self.url) as conn:
            job = await trigger_facts(conn, request, BatchTerms(self.batch_stores, 60))
        self.conn.execute("update report set as_of = %s where id = %s", [at, job.report_id])

    def report_s(self, worker: WorkerContext) -> float:
        """Return the CPU of a plain report as of the newest poll."""
        trigger(self.url, batch_stores=self.batch_stores)
        return cpu_s(self.conn, lambda: _work(worker))

    def store_ids(self) -> Sequence[str]:
        """Return the stores that were polled."""
        statement = "select store_id from store where polled_since_seq is not null order by store_id"
        return [store_id for (store_id,) in self.conn.execute(statement)]

    def facts(self) -> set[tuple[str, ...]]:
        """Return the versions of all facts."""
        return set(self.conn.execute("select tableoid::text, ctid::text, xmin::text from store_day"))


def run_nights(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Two days a round. One: its polls, the night, reports, a late poll. The other: its polls, a report, the night."""
    today = datetime.combine(datetime.now(UTC).date(), time(), UTC) + AFTER
    at = today - timedelta(days=2 * (_WARM_UP + rounds))
    names = "night", "first", "again", "cold", "late", "alone", "next"
    seconds: dict[str, list[float]] = {name: [] for name in names}
    late_days: list[float] = []
    with _prepared(stand, at) as bench:
        store_ids = bench.store_ids()
        bench.night_s(at)
        bench.report_s(bench.worker)
        for number in range(_WARM_UP + rounds):
            at += timedelta(days=1)
            _send_polls(bench.url, store_ids, at)
            seconds["night"].append(bench.night_s(at))
            seconds["first"].append(bench.report_s(bench.worker))
            seconds["again"].append(bench.report_s(bench.worker))
            seconds["cold"].append(bench.report_s(bench.forgetful))
            before = bench.facts()
            _send_late_poll(bench.url, store_ids[number], at - _LATE)
            seconds["late"].append(bench.night_s(at))
            late_days.append(len(bench.facts() - before))
            # The worker remembers all polls again, up to the newest.
            bench.report_s(bench.worker)
            at += timedelta(days=1)
            _send_polls(bench.url, store_ids, at)
            seconds["alone"].append(bench.report_s(bench.worker))
            seconds["next"].append(bench.night_s(at))
    kept = {name: values[_WARM_UP:] for name, values in seconds.items()}
    night, memory = kept["night"], ("a plain report, from memory", kept["again"])
    name = f"facts of a day, {len(store_ids):,} stores, CPU"
    return [
        Figure(name, "s", night, *memory, Target("<=", 1.5)),
        Figure(name, "s", night, "the first report after the polls", kept["first"]),
        Figure(name, "s", night, "the first report, no night before", kept["alone"]),
        Figure(name, "s", night, "a plain report, nothing remembered", kept["cold"]),
        Figure(f"{name}, after a report", "s", kept["next"], *memory),
        Figure("facts after one late poll, CPU", "s", kept["late"], "of a day", night, Target("<=", 0.5)),
        Figure("days that a late poll costs", "", late_days[_WARM_UP:], target=Target("<=", 13)),
    ]


@contextmanager
def _prepared(stand: Stand, end: datetime) -> Iterator[_Bench]:
    url = make_database(stand, _DATABASE)
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder), stores=stand.fleet.stores, days=_DAYS, end=end)
        load_folder(url, Path(folder))
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in stand.env.items()}
    settings = Settings.model_validate({**values, "database_url": url, "pool_size": 2})
    configure_logging("bench", "ERROR")
    with (
        open_context(settings, lambda _: False) as worker,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        forgetful = replace(worker, inputs=InputCache(0))
        yield _Bench(url, settings.batch_stores, worker, forgetful, conn)


def _work(worker: WorkerContext) -> None:
    while compute_next(worker) is not None:
        pass


def _send_polls(url: str, store_ids: Sequence[str], end: datetime) -> None:
    """Poll every store on the day before an instant."""
    sweeps = [end - number * _POLL_EVERY for number in range(timedelta(days=1) // _POLL_EVERY)]
    active = np.arange(len(store_ids) * len(sweeps)) % 9 > 0
    polls = (
        pl.DataFrame({"timestamp_utc": [f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in reversed(sweeps)]})
        .join(pl.DataFrame({"store_id": store_ids}), how="cross")
        .with_columns(status=pl.when(pl.Series(active)).then(pl.lit("active")).otherwise(pl.lit("inactive")))
    )
    with tempfile.TemporaryDirectory() as folder:
        polls.write_csv(Path(folder, "polls.csv"))
        load_folder(url, Path(folder))


def _send_late_poll(url: str, store_id: str, at: datetime) -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = f"{store_id},inactive,{at:%Y-%m-%d %H:%M}:01 UTC"
        Path(folder, "polls.csv").write_text(f"store_id,status,timestamp_utc\n{line}\n")
        load_folder(url, Path(folder))
