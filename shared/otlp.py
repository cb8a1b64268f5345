"""Export spans with OpenTelemetry's SDK by OTLP over HTTP. Only `shared/tracing.py` imports this, and only if needed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import tracing

_TIMEOUT_S = 5
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_W3C = TraceContextTextMapPropagator()


class SpanExport:
    """The exporter of one process. A thread sends spans in groups, and drops them if the endpoint does not take them."""

    def __init__(self, service: str, endpoint: str) -> None:
        named = Resource({SERVICE_NAME: f"uptill-{service}"})
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
        self._provider = TracerProvider(resource=Resource.create().merge(named.merge(_from_environment())))
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None, timeout=_timeout_s()
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("uptill")

    @contextmanager
    def span(
        self, name: str, kind: tracing.Kind, parent: str | None, attributes: Mapping[str, tracing.Value]
    ) -> Iterator[tracing.TraceSpan]:
        """Trace the block. An error is recorded only by its type, because its text may contain data."""
        around = trace.get_current_span().get_span_context().is_valid
        context = _W3C.extract({"traceparent": parent}) if parent and not around else None
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=trace.SpanKind[kind.upper()],
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            try:
                yield _ExportedSpan(made)
            except Exception as error:
                made.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise

    def close(self) -> None:
        """Send the waiting spans."""
        self._provider.shutdown()


def _from_environment() -> Resource:
    return OTELResourceDetector().detect()


def _timeout_s() -> float | None:
    """Return our timeout, unless a variable of OpenTelemetry sets one, which the exporter reads itself."""
    return None if any(map(os.environ.get, _TIMEOUTS)) else _TIMEOUT_S


class _ExportedSpan(tracing.TraceSpan):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        self.traceparent = carrier.get("traceparent")

    def describe(self, name: str, attributes: Mapping[str, tracing.Value]) -> None:
        self._span.update_name(name)
        self._span.set_attributes(attributes)
