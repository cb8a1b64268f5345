"""What the scheduler's metrics say once a soak has come to rest, beside what SQL says.

Facts of the database only: what processes counted went with those that were killed.
"""

import math
from collections.abc import Iterator, Mapping

import httpx2
import psycopg

from services.local.ports import PortReservation
from tests.fixtures.metrics import Samples, by_label, on_port, scrape, value
from tests.fixtures.private_stack import PrivateStack, eventually

_AROUND = 1e-6  # of sums of fractions
_AGE_AROUND_S = 60.0
_FACTS: Mapping[str, str] = {
    "uptill_due_batches": "select count(*) from report_batch join report on id = report_id"
    " where report.state in ('queued', 'running') and report_batch.state = 'pending' and report.kind = 'report'",
    "uptill_oldest_due_batch_age_seconds": "select 0",
    "uptill_oldest_open_report_age_seconds": "select 0",
    "uptill_report_latency_seconds_count": "select count(*) from report where state = 'succeeded' and kind = 'report'",
    "uptill_report_latency_seconds_sum": "select coalesce(sum(extract(epoch from finished_at - created_at)), 0)"
    " from report where state = 'succeeded' and kind = 'report'",
    "uptill_stores": "select count(distinct store_key) from observation",
}


def check_figures(stack: PrivateStack, conn: psycopg.Connection) -> Iterator[str]:
    """Yield every figure of a scheduler, the only service that runs meanwhile, that SQL contradicts."""
    with PortReservation(["metrics"], {}) as reservation:
        port = reservation.ports["metrics"]
    stack.start("scheduler", **on_port(port))
    try:
        stack.await_ready("scheduler")
        eventually(lambda: _answers(port), "the scheduler's metrics")
        yield from _compare(scrape(port), conn)
    finally:
        stack.stop("scheduler")


def _answers(port: int) -> bool:
    try:
        return value(scrape(port), "uptill_due_batches") is not None
    except httpx2.HTTPError:
        return False


def _compare(shown: Samples, conn: psycopg.Connection) -> Iterator[str]:
    states = {name: n for name, n in by_label(shown, "uptill_reports", "state").items() if n}
    wanted: dict[str, int] = dict(
        conn.execute("select state, count(*) from report where kind = 'report' group by state").fetchall()
    )
    if states != wanted:
        yield f"the metrics show reports {states}, SQL {wanted}"
    if any(by_label(shown, "uptill_batches", "state").values()):
        yield "the metrics show batches under way"
    for name, query in _FACTS.items():
        ((expected,),) = conn.execute(query.encode()).fetchall()
        found = value(shown, name)
        if found is None or not math.isclose(found, expected, rel_tol=_AROUND):
            yield f"{name} is {found}, by SQL {expected}"
    ((age_s,),) = conn.execute(
        "select extract(epoch from clock_timestamp() - max(observed_at))::float8 from observation"
    ).fetchall()
    found = value(shown, "uptill_newest_poll_age_seconds")
    if found is None or not math.isclose(found, age_s, abs_tol=_AGE_AROUND_S):
        yield f"the newest poll is {found} s old, by SQL {age_s}"
