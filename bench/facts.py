"""Daily facts: a year's report next to a week's, and one store's year."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Unpack

import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from tests.fixtures.services import Services
from uptill_client import ReportOptions, UptillClient

_YEAR = 365
_WARM_UP = 1
_SUMS = (
    "scheduled_us", "excluded_us", "open_us", "up_us", "down_us", "unknown_us", "up_min_us", "up_max_us", "polls",
    "outages",
)  # fmt: skip


def run_facts(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure one worker. A sample of less than a year gets the facts of the rest by copies of those it has."""
    with Services(stand.env, stand.folder / "logs", warm=False) as services, services.client() as client:
        services.api()
        services.scheduler()
        services.worker()
        with psycopg.connect(stand.database_url, autocommit=True) as conn:
            conn.execute("set statement_timeout = 0")
            last = _build_facts(stand, conn, client)
            _fill_year(conn, last)
            conn.execute("vacuum (analyze) store_day, store_month, store_day_mark")
            return _compare_years(conn, client, rounds)


def _build_facts(stand: Stand, conn: psycopg.Connection, client: UptillClient) -> date:
    """Build the facts of the sample, and return the last day that is final for each store as of its newest poll."""
    for table in ("store_day", "store_month", "store_day_mark", "packed_day"):
        conn.execute(f"truncate {table}".encode())
    ((newest,),) = conn.execute("select latest_observed_at::date from ledger_head").fetchall()
    last: date = newest - timedelta(days=4)
    first = last - timedelta(days=min(stand.fleet.days, _YEAR + 1))
    (*_, job) = client.follow_facts(client.build_facts(first, last).id, every_s=0.2)
    assert (job.state, job.stores_failed) == ("succeeded", 0), job
    return last


def _fill_year(conn: psycopg.Connection, last: date) -> None:
    """Repeat the last two weeks of facts before the first day that has polls, until a year is full."""
    ((first,),) = conn.execute(
        "select greatest(min(observed_at)::date + 12, %s::date - 365) from observation", [last]
    ).fetchall()
    columns = ", ".join(_SUMS)
    day = first
    conn.execute("delete from store_day where local_date < %s", [first])
    while day > last - timedelta(days=_YEAR + 5):
        day -= timedelta(days=1)
        conn.execute("select ensure_store_day_partition(%s)", [day])
        conn.execute(
            f"insert into store_day (policy, store_key, local_date, {columns}, computed_seq)"
            f" select policy, store_key, %s, {columns}, computed_seq from store_day where local_date = %s"
            " order by store_key".encode(),
            [day, last - timedelta(days=(last - day).days % 7)],
        )
    _sum_months(conn)


def _sum_months(conn: psycopg.Connection) -> None:
    """Make the sums of months again."""
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    conn.execute("truncate store_month")
    conn.execute(
        "insert into store_month select policy, store_key, date_trunc('month', local_date)::date,"
        f" bit_or(1 << (extract(day from local_date)::integer - 1)), count(*), {sums} from store_day"
        " group by 1, 2, 3 order by 2, 3".encode()
    )


def _compare_years(conn: psycopg.Connection, client: UptillClient, rounds: int) -> list[Figure]:
    ((store_id,),) = conn.execute(
        "select store_id from store where polled_since_seq is not null order by store_key limit 1"
    ).fetchall()
    asked: dict[str, ReportOptions] = {
        "week": {},
        "year": {"windows": [f"P{_YEAR}D"]},
        "quarter": {"windows": ["previous_quarter"]},
        "store": {"windows": [f"P{_YEAR}D"], "store_ids": [store_id]},
    }
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(_WARM_UP + rounds):
        for name, options in asked.items():
            seconds[name].append(_time(partial(_make_report, client, **options)))
    kept = {name: values[_WARM_UP:] for name, values in seconds.items()}
    return [
        Figure("a report of P365D", "s", kept["year"], "a plain report", kept["week"], Target("<=", 3)),
        Figure("a report of previous_quarter", "s", kept["quarter"], "a plain report", kept["week"]),
        Figure(
            "one store's year as a report", "ms", [1000 * s for s in kept["store"]], target=Target("<=", 50)
        ),
    ]


def _time(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _make_report(client: UptillClient, **options: Unpack[ReportOptions]) -> None:
    """Trigger a report and wait for its link."""
    *_, status = client.follow(client.create_report(force=True, **options).id)
    assert status.state == "succeeded", json.dumps(status.error)
