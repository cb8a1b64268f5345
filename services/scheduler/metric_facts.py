"""Metrics that are looked up in Postgres and Redis when they are scraped, at most once per interval.

If a server does not answer, its metrics are missing: an old number must not look like a new one.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from dramatiq.brokers.redis import RedisBroker
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from shared.db.connect import connect
from shared.db.driver_errors import is_outage
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, QueueUnavailable
from shared.metrics.definition import PREFIX, Metric
from shared.metrics.looked_up import FACTS, QUEUE_MESSAGES, QUEUE_STATE, SLOW_FACTS, SOURCE_UP
from shared.metrics.registry import DUTIES_FAILED
from shared.queue import dead_messages, queue_depth
from shared.queue_state import STATES, QueueProbe

_SQL = queries("facts")
_FRESH_S = 5.0
_SLOW_FRESH_S = 300.0
# A scrape waits no longer. Prometheus gives up after 10 s by default.
_STATEMENT_TIMEOUT_S = 10.0
_log = structlog.get_logger()
Row = tuple[Any, ...]


@dataclass
class _CachedFamilies:
    """The result of the last query for some metrics, and when it ran. None: the database did not answer."""

    families: list[Family] | None = None
    at_s: float = float("-inf")


class FactCollector(Collector):
    """Register it once, in the scheduler. Each query has a connection of its own, so sweeps do not wait for it."""

    def __init__(self, database_url: str, broker: RedisBroker, redis_url: str, silent_after_s: float) -> None:
        self._database_url = database_url
        self._broker = broker
        self._probe = QueueProbe(redis_url)
        self._parameters = {"silent_after": timedelta(seconds=silent_after_s)}
        self._fast, self._slow = _CachedFamilies(), _CachedFamilies()
        self._lock = threading.Lock()

    def describe(self) -> Iterator[Family]:
        """Return nothing, so that registering does not query the database."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Yield the metrics. Concurrent scrapes share one query."""
        with self._lock:
            self._refresh(self._fast, FACTS, _FRESH_S)
            self._refresh(self._slow, SLOW_FACTS, _SLOW_FRESH_S)
            yield from self._fast.families or []
            yield from self._slow.families or []
            state = self._probe.check_state().state
        yield _make_family(QUEUE_STATE, [(known, known == state) for known in STATES])
        queue = self._count_messages()
        yield from queue
        up = [("postgres", self._fast.families is not None), ("redis", bool(queue))]
        yield _make_family(SOURCE_UP, up)

    def _refresh(self, cached: _CachedFamilies, facts: Sequence[Metric], fresh_s: float) -> None:
        if cached.families is not None and time.monotonic() - cached.at_s < fresh_s:
            return
        cached.at_s = time.monotonic()
        try:
            with (
                connect(
                    self._database_url,
                    application_name="uptill-scheduler facts",
                    statement_timeout_s=_STATEMENT_TIMEOUT_S,
                    autocommit=True,
                ) as conn,
                conn.transaction(),
            ):
                conn.execute("set transaction isolation level repeatable read, read only")
                cached.families = list(self._query_families(conn, facts))
        except (DatabaseUnavailable, psycopg.errors.QueryCanceled) as error:
            cached.families = None
            _log.warning("facts_unavailable", error=str(error))

    def _query_families(self, conn: psycopg.Connection, facts: Sequence[Metric]) -> Iterator[Family]:
        """Yield the metrics. One whose query fails is missing, and the others are not."""
        for fact in facts:
            try:
                # A savepoint: the snapshot of the others survives.
                with conn.transaction():
                    family = _make_family(fact, self._query_rows(conn, fact))
            except (psycopg.DatabaseError, TypeError, ValueError) as error:
                if is_outage(error) or isinstance(error, psycopg.errors.QueryCanceled):
                    raise
                DUTIES_FAILED.labels("facts").inc()
                _log.exception("fact_failed", metric=fact.name)
                continue
            yield family

    def _query_rows(self, conn: psycopg.Connection, fact: Metric) -> list[Row]:
        parameters = self._parameters | {"buckets": [0.0, *fact.buckets]}
        return conn.execute(_SQL[fact.name.removeprefix(PREFIX)], parameters).fetchall()

    def _count_messages(self) -> list[Family]:
        try:
            rows = [("waiting", queue_depth(self._broker)), ("dead", dead_messages(self._broker))]
        except QueueUnavailable:
            return []
        return [_make_family(QUEUE_MESSAGES, rows)]


def _make_family(fact: Metric, rows: Sequence[Row]) -> Family:
    if fact.kind == "histogram":
        return _make_histogram(fact, rows)
    kind = CounterMetricFamily if fact.kind == "counter" else GaugeMetricFamily
    family = kind(fact.name, fact.help, labels=list(fact.labels))
    for *labels, number in rows:
        family.add_metric(labels, float(number))
    return family


def _make_histogram(fact: Metric, rows: Sequence[Row]) -> Family:
    """Turn counts per bucket into the cumulative counts that Prometheus expects. The first bucket begins at 0."""
    counts = {bucket: (count, seconds) for bucket, count, seconds in rows}
    total, cumulative = 0, []
    bounds = [*map(str, fact.buckets), "+Inf"]
    for number, bound in enumerate(bounds, start=1):
        total += counts.get(number, (0, 0.0))[0]
        cumulative.append((bound, float(total)))
    family = HistogramMetricFamily(fact.name, fact.help)
    family.add_metric([], cumulative, sum(seconds for _, seconds in counts.values()))
    return family
