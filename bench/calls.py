"""HTTP calls: status polls next to a bare FastAPI route, explanations, 100 reports a second, pick-up by an idle worker."""

import random
import time
from collections.abc import Sequence
from statistics import median, quantiles

import psutil
import psycopg
import redis

from bench.figures import Figure, Target
from bench.http_load import LoadResult, get_request, post_request, send_load
from bench.stand import Stand
from services.local.ports import free_ports
from tests.fixtures.services import Services, wait_until

_CONNECTIONS = 16
_FAST_S, _PACED_S = 3.0, 5.0
_POLLS_PER_S, _POSTS_PER_S = 500, 100
_IDLE_REPORTS = 30
_IDLE_S = 24.0  # several times as long as a worker waits at once


def run_calls(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure all calls, with one worker."""
    with Services(stand.env, stand.folder / "logs", warm=False) as services:
        services.api()
        services.scheduler()
        (bare_port,) = free_ports(1)
        services.start("uvicorn", "bench.bare:app", f"--port={bare_port}")
        others_per_s = _redis_operations(stand)
        worker = services.worker()
        port = int(stand.env["UPTILL_API_URL"].rpartition(":")[2])
        key = stand.env["UPTILL_API_KEY"]
        with services.client() as client:
            *_, status = client.follow(client.create_report().id)
        assert status.state == "succeeded"
        wait_until(lambda: _is_listening(bare_port), "the bare route")
        poll, bare = get_request(f"/v1/reports/{status.id}", key), get_request("/bare", key)
        return [
            *_status_polls(port, bare_port, poll, bare, rounds),
            *_explanations(stand, port, key, status.id, rounds),
            *_pick_up(stand, services),
            *_idle_costs(stand, worker.pid, others_per_s),
            *_measure_accepting(stand, port, key, rounds),
        ]


def _status_polls(port: int, bare_port: int, poll: bytes, bare: bytes, rounds: int) -> list[Figure]:
    ours, theirs, paced, bare_paced = [], [], [], []
    for _ in range(rounds):
        ours.append(_send_fast(port, poll).per_s)
        theirs.append(_send_fast(bare_port, bare).per_s)
        paced.append(_send_paced(port, poll, _POLLS_PER_S).assert_only(200).p99_ms)
        bare_paced.append(_send_paced(bare_port, bare, _POLLS_PER_S).assert_only(200).p99_ms)
    return [
        Figure("status polls", "1/s", ours, "bare route", theirs, Target(">=", 0.3)),
        Figure(f"status polls, p99 at {_POLLS_PER_S}/s", "ms", paced, target=Target("<=", 50)),
        Figure(f"bare route, p99 at {_POLLS_PER_S}/s", "ms", bare_paced),
    ]


def _explanations(stand: Stand, port: int, key: str, report_id: str, rounds: int) -> list[Figure]:
    """Explain one store after another in every window of the report, by one caller."""
    with psycopg.connect(stand.database_url) as conn:
        found = conn.execute("select store_id from store where polled_since_seq is not null").fetchall()
    requests = [get_request(f"/v1/reports/{report_id}/stores/{store_id}", key) for (store_id,) in found]
    random.shuffle(requests)
    results = [
        send_load(
            port, lambda number: requests[number % len(requests)], seconds=_FAST_S, connections=1
        ).assert_only(200)
        for _ in range(rounds)
    ]
    medians_ms = [1000 * median(result.latencies_s) for result in results]
    return [
        Figure("explanation of a store, median", "ms", medians_ms),
        Figure(
            "explanation of a store, p99",
            "ms",
            [result.p99_ms for result in results],
            target=Target("<=", 100),
        ),
    ]


def _pick_up(stand: Stand, services: Services) -> list[Figure]:
    """Measure the time from the report's row to its first claim by the database's clock, on an idle system."""
    with services.client() as client, psycopg.connect(stand.database_url) as conn:
        waits_ms = []
        for _ in range(_IDLE_REPORTS):
            time.sleep(random.uniform(0.05, 0.15))
            report_id = client.create_report(force=True).id
            for _ in client.follow(report_id):
                pass
            row = conn.execute(
                "select extract(epoch from started_at - created_at) * 1000 from report where id = %s",
                [report_id],
            ).fetchone()
            conn.commit()
            assert row is not None
            waits_ms.append(float(row[0]))
    return [
        Figure("idle pick-up, median", "ms", [quantiles(waits_ms, n=20)[9]], target=Target("<=", 3)),
        Figure("idle pick-up, p95", "ms", [quantiles(waits_ms, n=20)[18]], target=Target("<=", 8)),
    ]


def _idle_costs(stand: Stand, pid: int, others_per_s: float) -> list[Figure]:
    """Measure what a worker costs while it has nothing to do, beside services that took `others_per_s` of Redis."""
    process = psutil.Process(pid)
    before, began_s = process.cpu_times(), time.monotonic()
    all_per_s = _redis_operations(stand)
    after, seconds = process.cpu_times(), time.monotonic() - began_s
    cpu_s = after.user + after.system - before.user - before.system
    return [
        Figure("Redis operations, API and scheduler idle", "1/s", [others_per_s]),
        Figure(
            "Redis operations of an idle worker", "1/s", [all_per_s - others_per_s], target=Target("<=", 5)
        ),
        Figure("CPU of an idle worker", "% of a core", [100 * cpu_s / seconds], target=Target("<=", 0.3)),
    ]


def _redis_operations(stand: Stand) -> float:
    """Return how many commands a second Redis gets, as its own counter has them."""
    with redis.Redis.from_url(stand.env["UPTILL_REDIS_URL"]) as queue:
        before = queue.info("stats")["total_commands_processed"]
        time.sleep(_IDLE_S)
        return float((queue.info("stats")["total_commands_processed"] - before) / _IDLE_S)


def _measure_accepting(stand: Stand, port: int, key: str, rounds: int) -> list[Figure]:
    """Send identical requests, which share one report, and distinct ones, which outrun the worker."""
    same = post_request("/v1/reports", key, "{}")
    distinct = post_request("/v1/reports", key, '{"force": true}')
    same_ms = [_send_paced(port, same, _POSTS_PER_S).assert_only(202).p99_ms for _ in range(rounds)]
    distinct_ms, left = [], []
    for _ in range(rounds):
        with psycopg.connect(stand.database_url, autocommit=True) as conn:
            distinct_ms.append(_send_paced(port, distinct, _POSTS_PER_S).assert_only(202).p99_ms)
            canceled = conn.execute(
                "update report set state = 'canceled' where state in ('queued', 'running')"
            )
            left.append(canceled.rowcount)
            _await_empty(
                stand
            )  # before the rows go, since a worker that still has one would deadlock with us
            conn.execute("delete from report")
    return [
        Figure(f"POST of one question, p99 at {_POSTS_PER_S}/s", "ms", same_ms, target=Target("<=", 150)),
        Figure(f"POST of new reports, p99 at {_POSTS_PER_S}/s", "ms", distinct_ms, target=Target("<=", 150)),
        Figure(f"… reports that wait after {_PACED_S:.0f} s", "1", left),
    ]


def _await_empty(stand: Stand) -> None:
    """Wait until workers have skipped the messages of canceled reports, which takes seconds."""
    with redis.Redis.from_url(stand.env["UPTILL_REDIS_URL"]) as queue:
        wait_until(lambda: queue.llen("dramatiq:reports") == 0, "an empty queue")


def _send_fast(port: int, request: bytes) -> LoadResult:
    return send_load(port, lambda _: request, seconds=_FAST_S, connections=_CONNECTIONS).assert_only(200)


def _send_paced(port: int, request: bytes, per_s: float) -> LoadResult:
    return send_load(port, lambda _: request, seconds=_PACED_S, connections=4 * _CONNECTIONS, per_s=per_s)


def _is_listening(port: int) -> bool:
    try:
        send_load(port, lambda _: get_request("/bare", ""), seconds=0.01, connections=1)
    except OSError:
        return False
    return True
