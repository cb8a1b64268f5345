"""Traces. Without an OTLP endpoint a span does nothing, and OpenTelemetry is not imported.

The trace of a report continues the trace of the request that made it: the report's row has its W3C traceparent.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from shared.otlp import SpanExport

Kind = Literal["internal", "server", "client", "consumer"]
Value = str | int
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class TraceSpan:
    """A span while it lasts. This base class does nothing."""

    traceparent: str | None = None

    def describe(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Rename the span and add attributes."""


_export: "SpanExport | None" = None


def start_tracing(service: str, endpoint: str) -> None:
    """Export the spans of this process from now on. Call it after a fork.

    An empty endpoint leaves the choice to OpenTelemetry's own variables; without any endpoint this does nothing.
    Raises `ConfigurationError` if the extra `trace` is not installed, or if the variables ask for another protocol.
    """
    global _export  # noqa: PLW0603 - one per process, like OpenTelemetry's own
    source = "UPTILL_OTLP_ENDPOINT" if endpoint else next(filter(os.environ.get, _ENDPOINTS), None)
    if source is None or _is_off():
        return
    protocol = next(filter(None, map(os.environ.get, _PROTOCOLS)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise ConfigurationError(f"OTLP protocol {protocol!r} is not supported; use {_PROTOCOL}")
    try:
        from shared.otlp import SpanExport  # noqa: PLC0415 - the point of this module
    except ImportError as error:
        raise ConfigurationError(
            f"{source} is set, but OpenTelemetry is not installed; run: pip install 'uptill[trace]'"
        ) from error
    _export = SpanExport(service, endpoint)


def _is_off() -> bool:
    """Whether OpenTelemetry's own variables turn traces off, whatever the endpoint."""
    return (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )


def stop_tracing() -> None:
    """Send the waiting spans, and export no more."""
    global _export
    export, _export = _export, None
    if export is not None:
        export.close()


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value], *, kind: Kind = "internal", parent: str | None = None
) -> Iterator[TraceSpan]:
    """Trace the block as a child of the current span, or of `parent` (a traceparent) if there is none."""
    if _export is None:
        yield TraceSpan()
        return
    with _export.span(name, kind, parent, attributes) as made:
        yield made
