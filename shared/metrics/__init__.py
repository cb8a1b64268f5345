"""Metrics: the one registry (`registry`), their exposition (`exposition`), and several processes as one (`processes`)."""

from shared.metrics.processes import share_between_siblings

share_between_siblings()  # before any module of this package imports `prometheus_client`
