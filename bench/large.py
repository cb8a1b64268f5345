"""A fleet of the size that is planned: loads; a report that reads everything, and reports from memory; the merge, memory, disk."""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack

import psycopg

from bench.figures import Figure, Target
from bench.own_database import load_recent_sample, make_database
from bench.report import peak_mb
from bench.stand import REFERENCE_DAYS, REFERENCE_STORES, Stand
from tests.fixtures.metrics import free_ports, on_port, scrape
from tests.fixtures.services import Services
from uptill_client import UptillClient

# Enough memory that two workers together remember every store, as in containers of the size that the guide names.
_STORE_BYTES = 800
_LEAST_MB = 256
_WARM_UP = 2
_GB = 1 << 30


def run_large(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Request the same report by two workers: first cold, then again and again."""
    cache_mb = max(_LEAST_MB, round(stand.fleet.stores * _STORE_BYTES * 0.75 / (1 << 20)))
    with (
        Services(stand.env, stand.folder / "logs", warm=False) as services,
        services.client() as client,
        ExitStack() as stack,
    ):
        ports = stack.enter_context(free_ports("one", "two")).values()
        api = services.api()
        services.scheduler()
        workers = [services.worker(UPTILL_CACHE_MB=str(cache_mb), **on_port(port)) for port in ports]
        cold_s = _time_report(client)
        for _ in range(_WARM_UP):
            _time_report(client)
        warm_s, merge_shares = [], []
        for _ in range(rounds):
            before_s = _merge_s(ports)
            warm_s.append(_time_report(client))
            merge_shares.append((_merge_s(ports) - before_s) / warm_s[-1])
        peaks = [max(peak_mb(worker.pid) for worker in workers)]
        return [
            Figure(
                "trigger to link, nothing remembered, two workers", "s", [cold_s], target=Target("<=", 30)
            ),
            Figure("trigger to link, from memory, two workers", "s", warm_s, target=Target("<=", 10)),
            Figure(
                "share of the merge in a report from memory", "1", merge_shares, target=Target("<=", 0.15)
            ),
            Figure("peak memory, a worker", "MB", peaks, target=Target("<=", 1500)),
            Figure("peak memory, the API", "MB", [peak_mb(api.pid)], target=Target("<=", 1500)),
            *_measure_disk(stand),
            *_measure_loads(stand),
        ]


def _time_report(client: UptillClient) -> float:
    began_s = time.perf_counter()
    *_, status = client.follow(client.create_report(force=True, policy="carry").id)
    assert status.state == "succeeded", status.error
    return time.perf_counter() - began_s


def _merge_s(ports: Collection[int]) -> float:
    return sum(
        value
        for port in ports
        for (name, labels), value in scrape(port).items()
        if name == "uptill_batch_stage_duration_seconds_sum" and ("stage", "merge") in labels
    )


def _measure_disk(stand: Stand) -> Sequence[Figure]:
    """Measure the size of the database, in all and for each poll."""
    with psycopg.connect(stand.database_url) as conn:
        ((size_bytes, polls),) = conn.execute(
            "select pg_database_size(current_database()), (select count(*) from observation)"
        ).fetchall()
    return [
        Figure("size of the database", "GB", [size_bytes / _GB]),
        Figure("size of the database for each poll", "bytes", [size_bytes / polls]),
    ]


def _measure_loads(stand: Stand) -> Sequence[Figure]:
    """Return how fast the fleet came in when its stand was made, and how fast the reference set comes in."""
    reference = make_database(stand, "uptill_bench_reference")
    load_recent_sample(reference, REFERENCE_STORES, REFERENCE_DAYS)
    ours, theirs = _rates(stand.database_url), _rates(reference)
    unit, of_reference = "1/s", "the reference set"
    polls = Figure("polls loaded", unit, [ours["polls"]], of_reference, [theirs["polls"]], Target(">=", 0.9))
    return [
        polls,
        Figure("rows of hours loaded", unit, [ours["hours"]], target=Target(">=", 300_000)),
        Figure("time zones loaded, with their stores", unit, [ours["timezones"]]),
    ]


def _rates(url: str) -> Mapping[str, float]:
    """Return the rows that a database got in a second, by kind of file."""
    with psycopg.connect(url) as conn:
        return dict(
            conn.execute(
                "select kind, sum(accepted) / sum(extract(epoch from finished_at - started_at))::float"
                " from import where state = 'succeeded' group by kind"
            ).fetchall()
        )
