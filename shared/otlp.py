"""Spans by OpenTelemetry's SDK to an OTLP endpoint over HTTP. Only `shared/tracing.py` imports it, and only when asked to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import tracing

_TIMEOUT_S = 5
_W3C = TraceContextTextMapPropagator()


class Exporting:
    """One process's exporter; spans leave it in a thread, in groups, and are dropped when nobody takes them."""

    def __init__(self, service: str, endpoint: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"uptill-{service}"}))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("uptill")

    @contextmanager
    def span(
        self, name: str, kind: tracing.Kind, parent: str | None, attributes: Mapping[str, tracing.Value]
    ) -> Iterator[tracing.Span]:
        """Trace the block; an error that leaves it is recorded by its type alone, as its text may hold data."""
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
                yield _Span(made)
            except Exception as error:
                made.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise

    def close(self) -> None:
        """Send what is waiting."""
        self._provider.shutdown()


class _Span(tracing.Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        self.traceparent = carrier.get("traceparent")

    def describe(self, name: str, attributes: Mapping[str, tracing.Value]) -> None:
        self._span.update_name(name)
        self._span.set_attributes(attributes)
