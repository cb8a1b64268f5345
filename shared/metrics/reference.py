"""The page `docs/reference/metrics.md`, made from the declarations. Importing this module declares every metric."""

from collections.abc import Iterable

import shared.metrics.looked_up  # noqa: F401  it declares metrics too
from shared.metrics.definition import Metric
from shared.metrics.registry import REGISTRY

_INTRODUCTION = """# Metrics

Each process serves its metrics to Prometheus on `UPTILL_METRICS_PORT` of `UPTILL_METRICS_HOST`, without a key. This port is
for the internal network and is off by default. The HTTP services also answer `GET /metrics` to a key with the scope
`metrics:read`. Processes under one master (`--workers`) share their counters, and any of them answers for all.

Metrics that are *looked up* come from Postgres or Redis. The scheduler queries them when it is scraped, at most every 5
seconds (silent stores: every 5 minutes). They survive restarts. With several schedulers take the `max`, not the `sum`.
All other metrics count what happened in their process, and start at 0 with it.
"""


def every_metric() -> Iterable[Metric]:
    """Return all metrics, in the order of their declaration."""
    return REGISTRY.metrics.values()


def metrics_reference() -> str:
    """Return the page `docs/reference/metrics.md`: every metric with its kind, labels, source and meaning."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or '-'} "
        f"| {', '.join(metric.sources)} | {metric.help} |"
        for metric in every_metric()
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            "| metric | kind | labels | counted by | meaning |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
