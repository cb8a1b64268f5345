"""Sealed weeks: bytes of a poll, the time to seal and to open a week, and a report over files next to one over partitions."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock

import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from shared.sealed.jobs import accept_sealing
from tests.fixtures.services import Services, wait_until
from uptill_client import UptillClient

_WITHIN_S = 1800
_SEALED = (
    "select count(*), sum(rows)::float8, sum(size_bytes)::float8 from sealed_week where opened_at is null"
)
_WORK = "select count(*) from report where kind in ('seal', 'unseal') and state in ('queued', 'running')"


def run_seal(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure one worker without a cache of inputs. Seals and opens the weeks that ended a month before the newest poll."""
    env = {**stand.env, "UPTILL_CACHE_MB": "0", "UPTILL_SWEEP_S": "0.2"}
    seconds: dict[str, list[float]] = {name: [] for name in ("table", "file", "seal", "open")}
    bytes_of_poll, kept = [], []
    with (
        Services(env, stand.folder / "logs", warm=False) as services,
        services.client() as client,
        psycopg.connect(stand.database_url, autocommit=True) as conn,
    ):
        services.api()
        services.scheduler()
        services.worker()
        before = _last_monday(conn)
        for _ in range(rounds):
            seconds["table"].append(_time_best(lambda: _make_report(client, before)))
            weeks, took_s = _seal(conn, before)
            seconds["seal"].append(took_s / weeks)
            ((_, polls, size_bytes),) = conn.execute(_SEALED)
            bytes_of_poll.append(size_bytes / polls)
            conn.execute("vacuum full sealed_store")
            ((stays,),) = conn.execute("select pg_total_relation_size('sealed_store')::float8")
            kept.append(stays / polls)
            seconds["file"].append(_time_best(lambda: _make_report(client, before)))
            seconds["open"].append(_open(conn) / weeks)
    return [
        Figure("a poll in the bucket", "bytes", bytes_of_poll, target=Target("<=", 3)),
        Figure("of a sealed poll, left in Postgres", "bytes", kept),
        Figure(
            "a report of a sealed week",
            "s",
            seconds["file"],
            "of partitions",
            seconds["table"],
            Target("<=", 2),
        ),
        Figure("to seal a week", "s", seconds["seal"]),
        Figure("to open a week", "s", seconds["open"]),
    ]


def _last_monday(conn: psycopg.Connection) -> datetime:
    """The end of the last week that is sealed."""
    ((newest,),) = conn.execute("select latest_observed_at from ledger_head").fetchall()
    day = (newest.astimezone(UTC) - timedelta(days=15)).date()
    return datetime.combine(day - timedelta(days=day.weekday()), clock(), UTC)


def _make_report(client: UptillClient, as_of: datetime) -> None:
    *_, ended = client.follow(client.create_report(force=True, as_of=as_of).id)
    assert ended.state == "succeeded", ended.error


def _time_best(work: Callable[[], None]) -> float:
    """The better of two: the first fills the caches of the server."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _seal(conn: psycopg.Connection, before: datetime) -> tuple[int, float]:
    """Return how many weeks were sealed, and the seconds that the job took."""
    # Opened weeks rest for a day.
    conn.execute("update sealed_week set opened_at = opened_at - interval '2 days'")
    began = time.perf_counter()
    with conn.transaction():
        accepted = accept_sealing(conn, before, 0.1, None)
    assert accepted is not None
    _await_work(conn)
    took_s = time.perf_counter() - began
    ((weeks, *_),) = conn.execute(_SEALED)
    assert weeks == len(accepted.wakes)
    return weeks, took_s


def _open(conn: psycopg.Connection) -> float:
    began = time.perf_counter()
    conn.execute("update sealed_week set wanted_at = now()")
    wait_until(lambda: conn.execute(_SEALED).fetchone() == (0, None, None), "the weeks", within_s=_WITHIN_S)
    _await_work(conn)
    return time.perf_counter() - began


def _await_work(conn: psycopg.Connection) -> None:
    wait_until(lambda: conn.execute(_WORK).fetchone() == (0,), "the job's end", within_s=_WITHIN_S)
