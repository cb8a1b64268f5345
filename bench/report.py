"""Time from trigger to presigned link over HTTP, warm, next to DuckDB, which only computes; and memory of the processes."""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Unpack

import psutil
import psycopg

from bench.adjusted import compare_adjusted
from bench.duck import Duck
from bench.figures import Figure, Target
from bench.stand import Stand
from services.ingest.run import ingest_paths
from tests.fixtures.services import Services
from tests.fixtures.warm_start import Process
from uptill_client import ReportOptions, ReportStatus, UptillClient

_WARM_UP = 2
_ONE_BATCH = 4000
_POLICIES = ("carry", "classic")


def run_report(stand: Stand, rounds: int, *, duck: bool = True) -> Sequence[Figure]:
    """Measure one worker (unchanged data, an hour of polls later, nothing remembered) and two workers.

    One and two also of one thread each: as they are, one takes both cores by itself.
    """
    logs = stand.folder / "logs"
    with Services(stand.env, logs, warm=False) as services, services.client() as client, ExitStack() as stack:
        api = services.api()
        services.scheduler()
        workers = [services.worker()]
        yardstick = None
        if duck:
            yardstick = stack.enter_context(Duck(stand.folder / "yardstick.duckdb", stand.database_url))
            _compare_with_duckdb(yardstick, client)
        one = _run_rounds(client, yardstick, rounds)
        hour_of_polls = _HourOfPolls(stand, yardstick)
        outages = {"": _compare_outages(client, rounds)}
        adjusted = compare_adjusted(stand, lambda: _run_rounds(client, None, rounds)["classic"], rounds)
        outages[", an hour of polls later"] = _compare_outages(client, rounds, before=hour_of_polls)
        hourly = _run_rounds(client, yardstick, rounds, before=hour_of_polls)
        workers.append(services.worker())
        two = _run_rounds(client, yardstick, rounds)
        peaks = [max(peak_mb(worker.pid) for worker in workers)]
        _stop_workers(workers)
        workers = [services.worker(UPTILL_WORKER_THREADS="1")]
        one_of_one_thread = _run_rounds(client, None, rounds)
        workers.append(services.worker(UPTILL_WORKER_THREADS="1"))
        two_of_one_thread = _run_rounds(client, None, rounds)
        _stop_workers(workers)
        services.worker(UPTILL_CACHE_MB="0")
        outages[", nothing remembered"] = _compare_outages(client, rounds)
        forgetful = _run_rounds(client, yardstick, rounds)
        scales = Target(">=", 1.3) if stand.fleet.stores > _ONE_BATCH else None
        return [
            *_beside_duckdb(stand, one, "one worker", is_asked=True),
            *(
                Figure(
                    f"last week with outages / without, one worker{how}",
                    "x",
                    ratios,
                    target=Target("<=", 1.5),
                )
                for how, ratios in outages.items()
            ),
            *adjusted,
            *_beside_duckdb(stand, hourly, "an hour of polls later"),
            *_beside_duckdb(stand, forgetful, "nothing remembered"),
            *_beside_duckdb(stand, two, "two workers"),
            *(
                Figure(
                    f"{policy}, one worker / two{how}",
                    "x",
                    [a / b for a, b in zip(fewer[policy], more[policy], strict=True)],
                    target=scales,
                )
                for how, fewer, more in (
                    ("", one, two),
                    (", of one thread", one_of_one_thread, two_of_one_thread),
                )
                for policy in _POLICIES
            ),
            Figure("peak memory, a worker", "MB", peaks, target=Target("<=", 512)),
            Figure("peak memory, the API", "MB", [peak_mb(api.pid)], target=Target("<=", 200)),
        ]


class _HourOfPolls:
    """Ingest the next poll of every store, as happens each hour, and give the yardstick the same polls."""

    def __init__(self, stand: Stand, yardstick: Duck | None) -> None:
        self._stand = stand
        self._yardstick = yardstick
        with psycopg.connect(stand.database_url) as conn:
            self._stores = [
                row[0]
                for row in conn.execute(
                    "select store_id from store where polled_since_seq is not null order by store_key"
                )
            ]

    def __call__(self) -> None:
        with psycopg.connect(self._stand.database_url) as conn:
            (newest,) = conn.execute("select latest_observed_at from ledger_head").fetchone() or (None,)
        assert newest is not None
        at = f"{newest + timedelta(hours=1):%Y-%m-%d %H:%M:%S.%f}"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "hour.csv")
            rows = (
                f"{store_id},{('active', 'inactive')[n % 9 == 0]},{at} UTC"
                for n, store_id in enumerate(self._stores)
            )
            file.write_text("\n".join(["store_id,status,timestamp_utc", *rows]) + "\n")
            (done,) = ingest_paths(self._stand.database_url, [str(file)])
            assert done.accepted == len(self._stores), done
            if self._yardstick:
                self._yardstick.add_polls(file)


def _beside_duckdb(
    stand: Stand, seconds: dict[str, list[float]], how: str, *, is_asked: bool = False
) -> list[Figure]:
    bound = 0.5 if stand.fleet.stores > _ONE_BATCH else 2.0
    duck = seconds.get("duckdb", [])
    return [
        Figure(
            f"trigger to link, {policy}, {how}",
            "s",
            seconds[policy],
            "DuckDB, carry" if duck else "",
            duck,
            Target("<=", bound) if duck and is_asked else None,
        )
        for policy in _POLICIES
    ]


def _compare_with_duckdb(yardstick: Duck, client: UptillClient) -> None:
    status = _make_report(client, policy="carry")
    with urllib.request.urlopen(status.files[0].url) as answer:
        yardstick.assert_equal(status.as_of, answer.read())


def _run_rounds(
    client: UptillClient, yardstick: Duck | None, rounds: int, before: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """Measure DuckDB and each policy once per round. `before` runs untimed before each."""
    seconds: dict[str, list[float]] = {name: [] for name in _POLICIES}
    if yardstick:
        seconds["duckdb"] = []
    for _ in range(_WARM_UP + rounds):
        for policy in _POLICIES:
            before()
            began = time.perf_counter()
            status = _make_report(client, policy=policy)
            seconds[policy].append(time.perf_counter() - began)
        if yardstick:
            seconds["duckdb"].append(yardstick.report(status.as_of)[0])
    return {name: values[_WARM_UP:] for name, values in seconds.items()}


def _compare_outages(
    client: UptillClient, rounds: int, before: Callable[[], None] = lambda: None
) -> list[float]:
    """Return how many times as long the last week takes with a file of outages. `before` as in `_run_rounds`."""
    ratios = []
    for _ in range(_WARM_UP + rounds):
        seconds = []
        for files in (("report",), ("report", "outages")):
            before()
            began = time.perf_counter()
            _make_report(client, windows=["last_week"], files=files)
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[1] / seconds[0])
    return ratios[_WARM_UP:]


def _make_report(client: UptillClient, **options: Unpack[ReportOptions]) -> ReportStatus:
    """Trigger a report and wait for its link."""
    *_, status = client.follow(client.create_report(force=True, **options).id)
    assert status.state == "succeeded", json.dumps(status.error)
    return status


def _stop_workers(workers: Sequence[Process]) -> None:
    for worker in workers:
        worker.terminate()
        worker.wait()


def peak_mb(pid: int) -> float:
    """Return the peak resident memory, as Linux records it, of the service's largest process."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    texts = [Path(f"/proc/{process.pid}/status").read_text() for process in processes]
    return max(int(text.partition("VmHWM:")[2].split()[0]) / 1024 for text in texts)
