"""Metrics: the one registry (`registry`), their exposition (`exposition`), and several processes as one (`processes`)."""

from shared.metrics.processes import share_between_siblings

# Before any module of this package imports `prometheus_client`.
share_between_siblings()
