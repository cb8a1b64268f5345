"""Answer scrapes of Prometheus. Must not know a web framework."""

import os
import threading
from collections.abc import Iterator

import prometheus_client
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shared.metrics.processes import VARIABLE, wait_for_turn
from shared.metrics.registry import REGISTRY
from shared.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST
_log = structlog.get_logger()


def exposition(service: str) -> bytes:
    """Return all metrics of this process and its siblings in Prometheus' text format."""
    return generate_latest(_make_registry(service))


def serve_metrics(settings: Settings, service: str, *facts: Collector) -> None:
    """Answer scrapes in a thread on `metrics_port`, unless it is 0. One of several siblings answers for all."""
    if settings.metrics_port:
        registry = _make_registry(service)
        for collector in facts:
            registry.register(collector)
        threading.Thread(target=_serve_port, args=(settings, registry), name="metrics", daemon=True).start()


def _serve_port(settings: Settings, registry: CollectorRegistry) -> None:
    wait_for_turn()
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        # The service goes on without metrics. Prometheus sees that they are missing.
        _log.error("metrics_port_unusable", port=settings.metrics_port, error=str(error))


def _make_registry(service: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_ServiceCollector(service))
    return registry


class _ServiceCollector(Collector):
    """The metrics that one service counts. Zeros of the others would look like facts."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._everything = CollectorRegistry()
        if VARIABLE in os.environ:
            MultiProcessCollector(self._everything)
        else:
            self._everything.register(prometheus_client.REGISTRY)

    def collect(self) -> Iterator[Family]:
        for family in self._everything.collect():
            metric = REGISTRY.metrics.get(family.name) or REGISTRY.metrics.get(f"{family.name}_total")
            if metric is None or self._service in metric.sources:
                yield family
