"""Facts for the metrics, looked up in Postgres and Redis when they are scraped, and not more often than they may be.

A server that does not answer leaves its facts out: an old number must not look like a new one.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, QueueUnavailable
from shared.metrics.definition import PREFIX, Metric
from shared.metrics.registry import FACTS, QUEUE_MESSAGES, QUEUE_STATE, SLOW_FACTS, SOURCE_UP
from shared.queue import dead_messages, queue_depth
from shared.queue_state import STATES, QueueProbe

_SQL = queries("facts")
_FRESH_S = 5.0
_SLOW_FRESH_S = 300.0
_STATEMENT_TIMEOUT_S = 10.0  # a scrape waits no longer; Prometheus' own patience is 10 s by default
_log = structlog.get_logger()
Row = tuple[Any, ...]


@dataclass
class _Looked:
    """What the last look at some facts brought, and when; None: the database did not answer."""

    families: list[Family] | None = None
    at_s: float = field(default=float("-inf"))


class Facts(Collector):
    """Register it once, in the scheduler. Each look has a connection of its own: sweeps go on beside it."""

    def __init__(self, database_url: str, broker: RedisBroker, redis_url: str, silent_after_s: float) -> None:
        self._database_url = database_url
        self._broker = broker
        self._probe = QueueProbe(redis_url)
        self._parameters = {"silent_after": timedelta(seconds=silent_after_s)}
        self._fast, self._slow = _Looked(), _Looked()
        self._lock = threading.Lock()

    def describe(self) -> Iterator[Family]:
        """Nothing: to be registered needs no look."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Yield the facts; two scrapes at once share one look."""
        with self._lock:
            self._refresh(self._fast, FACTS, _FRESH_S)
            self._refresh(self._slow, SLOW_FACTS, _SLOW_FRESH_S)
            yield from self._fast.families or []
            yield from self._slow.families or []
            state = self._probe.look().state
        yield _family(QUEUE_STATE, [(known, known == state) for known in STATES])
        queue = self._queue()
        yield from queue
        yield _family(SOURCE_UP, [("postgres", self._fast.families is not None), ("redis", bool(queue))])

    def _refresh(self, looked: _Looked, facts: Sequence[Metric], fresh_s: float) -> None:
        if looked.families is not None and time.monotonic() - looked.at_s < fresh_s:
            return
        looked.at_s = time.monotonic()
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
                looked.families = [_family(fact, self._rows(conn, fact)) for fact in facts]
        except (DatabaseUnavailable, psycopg.errors.QueryCanceled) as error:
            looked.families = None
            _log.warning("facts_not_looked_up", error=str(error))

    def _rows(self, conn: psycopg.Connection, fact: Metric) -> list[Row]:
        parameters = self._parameters | {"buckets": [0.0, *fact.buckets]}
        return conn.execute(_SQL[fact.name.removeprefix(PREFIX)], parameters).fetchall()

    def _queue(self) -> list[Family]:
        try:
            rows = [("waiting", queue_depth(self._broker)), ("dead", dead_messages(self._broker))]
        except QueueUnavailable:
            return []
        return [_family(QUEUE_MESSAGES, rows)]


def _family(fact: Metric, rows: Sequence[Row]) -> Family:
    if fact.kind == "histogram":
        return _histogram(fact, rows)
    kind = CounterMetricFamily if fact.kind == "counter" else GaugeMetricFamily
    family = kind(fact.name, fact.help, labels=list(fact.labels))
    for *labels, number in rows:
        family.add_metric(labels, float(number))
    return family


def _histogram(fact: Metric, rows: Sequence[Row]) -> Family:
    """From counts by bucket, the first of which begins at 0, to the cumulative ones that Prometheus wants."""
    counts = {bucket: (count, seconds) for bucket, count, seconds in rows}
    total, cumulative = 0, []
    bounds = [*map(str, fact.buckets), "+Inf"]
    for number, bound in enumerate(bounds, start=1):
        total += counts.get(number, (0, 0.0))[0]
        cumulative.append((bound, float(total)))
    family = HistogramMetricFamily(fact.name, fact.help)
    family.add_metric([], cumulative, sum(seconds for _, seconds in counts.values()))
    return family
