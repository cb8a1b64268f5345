"""Traces. Without an OTLP endpoint a span is an empty context, and nothing of OpenTelemetry is imported.

The trace of a report goes on from the request that made it: its W3C traceparent lies on the report's row.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from shared.otlp import Exporting

Kind = Literal["internal", "server", "client", "consumer"]
Value = str | int
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class Span:
    """What can be said of a span while it lasts; here, of none."""

    traceparent: str | None = None

    def describe(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Name it anew and add attributes."""


_exporting: "Exporting | None" = None


def start_tracing(service: str, endpoint: str) -> None:
    """Export the spans of this process from now on. Call it after a fork.

    An empty endpoint leaves the choice to OpenTelemetry's own variables; without any endpoint this does nothing.
    Raises `ConfigurationError` if the extra `trace` is not installed, or if the variables ask for another protocol.
    """
    global _exporting  # noqa: PLW0603  one per process, as OpenTelemetry's own
    source = "UPTILL_OTLP_ENDPOINT" if endpoint else next(filter(os.environ.get, _ENDPOINTS), None)
    if source is None or _is_off():
        return
    protocol = next(filter(None, map(os.environ.get, _PROTOCOLS)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise ConfigurationError(f"OTLP protocol {protocol!r} is not supported; use {_PROTOCOL}")
    try:
        from shared.otlp import Exporting  # noqa: PLC0415  the point of this module
    except ImportError as error:
        raise ConfigurationError(
            f"{source} is set, but OpenTelemetry is not installed; run: pip install 'uptill[trace]'"
        ) from error
    _exporting = Exporting(service, endpoint)


def _is_off() -> bool:
    """Whether OpenTelemetry's own variables turn traces off, whatever the endpoint."""
    return (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )


def stop_tracing() -> None:
    """Send what is waiting, and export no more."""
    global _exporting
    exporting, _exporting = _exporting, None
    if exporting is not None:
        exporting.close()


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value], *, kind: Kind = "internal", parent: str | None = None
) -> Iterator[Span]:
    """Trace the block, below the span around it, or below `parent` (a traceparent) where there is none."""
    if _exporting is None:
        yield Span()
        return
    with _exporting.span(name, kind, parent, attributes) as made:
        yield made
