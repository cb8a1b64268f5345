"""What a scrape gets, and the port it comes to. Knows no framework."""

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
    """Return everything that this process and its siblings have counted, in Prometheus' text format."""
    return generate_latest(_counted(service))


def serve_metrics(settings: Settings, service: str, *facts: Collector) -> None:
    """Answer scrapes in a thread on `metrics_port`, unless it is 0; of several siblings one does it for all."""
    if settings.metrics_port:
        registry = _counted(service)
        for collector in facts:
            registry.register(collector)
        threading.Thread(target=_serve, args=(settings, registry), name="metrics", daemon=True).start()


def _serve(settings: Settings, registry: CollectorRegistry) -> None:
    wait_for_turn()
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:  # the service matters more than its figures; Prometheus sees that it is gone
        _log.error("metrics_port_unusable", port=settings.metrics_port, error=str(error))


def _counted(service: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Of(service))
    return registry


class _Of(Collector):
    """What one service counts, of all that is declared: zeros of the others would look like facts."""

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
