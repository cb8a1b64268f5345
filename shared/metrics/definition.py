"""Declare metrics. Only metrics declared in `registry` can be emitted, because only they have an object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

PREFIX = "uptill_"
FACT = "looked up"
# They would be a second series for each counter, which nothing reads.
disable_created_metrics()
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """A metric as the reference describes it. `sources`: the services that count it."""

    name: str
    kind: Kind
    help: str
    sources: Sequence[str]
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    buckets: Sequence[float] = ()

    @property
    def samples(self) -> Iterator[str]:
        """The names of its time series, as an expression may use them."""
        if self.kind == "histogram":
            yield from (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        else:
            yield self.name


class Registry:
    """Every metric by its name, in the order of declaration. A name can be declared only once.

    `labels` lists the known values of each label. Their series exist from the start, at zero, so the first event is an
    increase. A label whose values come from outside has no known values.
    """

    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}

    def counter(
        self,
        name: str,
        text: str,
        *,
        sources: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> Counter:
        """Declare a number that only grows."""
        metric = self._declare(Metric(f"{PREFIX}{name}", "counter", text, sources, labels or {}))
        made = Counter(metric.name, metric.help, list(metric.labels))
        for values in _known_labels(metric):
            made.labels(*values)
        return made

    def gauge(self, name: str, text: str, *, sources: Sequence[str]) -> Gauge:
        """Declare a current value. Of several processes the newest value counts."""
        metric = self._declare(Metric(f"{PREFIX}{name}", "gauge", text, sources))
        return Gauge(metric.name, metric.help, multiprocess_mode="mostrecent")

    def histogram(
        self,
        name: str,
        text: str,
        *,
        sources: Sequence[str],
        buckets: Sequence[float],
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> Histogram:
        """Declare a distribution in seconds."""
        metric = self._declare(Metric(f"{PREFIX}{name}", "histogram", text, sources, labels or {}, buckets))
        made = Histogram(metric.name, metric.help, list(metric.labels), buckets=buckets)
        for values in _known_labels(metric):
            made.labels(*values)
        return made

    def fact(
        self, name: str, kind: Kind, text: str, *, labels: Sequence[str] = (), buckets: Sequence[float] = ()
    ) -> Metric:
        """Declare a metric that the statement `name` of `shared/db/sql/facts.sql` computes: label values and a number."""
        return self._declare(
            Metric(f"{PREFIX}{name}", kind, text, (FACT,), dict.fromkeys(labels, ()), buckets)
        )

    def _declare(self, metric: Metric) -> Metric:
        if metric.name in self.metrics:
            raise ValueError(f"the metric {metric.name} is declared twice")
        self.metrics[metric.name] = metric
        return metric


def _known_labels(metric: Metric) -> Iterator[tuple[str, ...]]:
    """Yield the known values of a metric with one label. No metric needs more so far."""
    if len(metric.labels) == 1:
        yield from ((value,) for value in next(iter(metric.labels.values())))
