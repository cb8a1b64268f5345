"""Trigger to presigned link over HTTP, warm, beside DuckDB, which only computes; and what the processes take of memory."""

import json
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.duck import Duck
from bench.figures import Figure, Target
from bench.stand import Stand
from services.cli.client import ReportStatus, UptillClient
from tests.fixtures.services import Services

_WARM_UP = 2
_POLICIES = ("carry", "classic")


def run(stand: Stand, rounds: int, *, duck: bool = True) -> Sequence[Figure]:
    """Measure one worker, then two; a round holds DuckDB once and each policy once."""
    logs = stand.folder / "logs"
    with Services(stand.env, logs) as services, services.client() as client:
        api = services.api()
        services.scheduler()
        first = services.worker()
        yardstick = Duck(stand.folder / "yardstick.duckdb", stand.database_url) if duck else None
        try:
            if yardstick:
                _compare(yardstick, client)
            one = _rounds(client, yardstick, rounds)
            second = services.worker()
            two = _rounds(client, yardstick, rounds)
        finally:
            if yardstick:
                yardstick.__exit__(None, None, None)
        peaks = [max(_peak_mb(worker.pid) for worker in (first, second))]
        return [
            *_beside_duckdb(stand, one, "one worker"),
            *_beside_duckdb(stand, two, "two workers"),
            *(
                Figure(
                    f"{policy}, one worker / two",
                    "x",
                    [a / b for a, b in zip(one[policy], two[policy], strict=True)],
                    target=Target(">=", 1.3) if stand.fleet.stores > 10_000 else None,
                )
                for policy in _POLICIES
            ),
            Figure("peak memory, a worker", "MB", peaks, target=Target("<=", 512)),
            Figure("peak memory, the API", "MB", [_peak_mb(api.pid)], target=Target("<=", 200)),
        ]


def _beside_duckdb(stand: Stand, seconds: dict[str, list[float]], workers: str) -> list[Figure]:
    bound = 0.5 if stand.fleet.stores > 10_000 else 2.0
    duck = seconds.get("duckdb", [])
    return [
        Figure(
            f"trigger to link, {policy}, {workers}",
            "s",
            seconds[policy],
            "DuckDB, carry" if duck else "",
            duck,
            Target("<=", bound) if duck and workers == "one worker" else None,
        )
        for policy in _POLICIES
    ]


def _compare(yardstick: Duck, client: UptillClient) -> None:
    status = _report(client, "carry")
    with urllib.request.urlopen(status.files[0].url) as answer:
        yardstick.assert_equal(status.as_of, answer.read())


def _rounds(client: UptillClient, yardstick: Duck | None, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in _POLICIES}
    if yardstick:
        seconds["duckdb"] = []
    for _ in range(_WARM_UP + rounds):
        for policy in _POLICIES:
            began = time.perf_counter()
            status = _report(client, policy)
            seconds[policy].append(time.perf_counter() - began)
        if yardstick:
            seconds["duckdb"].append(yardstick.report(status.as_of)[0])
    return {name: values[_WARM_UP:] for name, values in seconds.items()}


def _report(client: UptillClient, policy: str) -> ReportStatus:
    """Trigger and wait for the link."""
    *_, status = client.follow(client.create_report(force=True, policy=policy).id)
    assert status.state == "succeeded", json.dumps(status.error)
    return status


def _peak_mb(pid: int) -> float:
    """High-water mark of the resident memory, which Linux keeps, of the largest process of the service."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    texts = [Path(f"/proc/{process.pid}/status").read_text() for process in processes]
    return max(int(text.partition("VmHWM:")[2].split()[0]) / 1024 for text in texts)
