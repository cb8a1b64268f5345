"""Traces, off unless an OTLP endpoint is set: then a span is an empty context, and nothing of OpenTelemetry is imported.

The trace of a report goes on from the request that made it: its W3C traceparent lies on the report's row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from shared.otlp import Exporting

Kind = Literal["internal", "server", "client", "consumer"]
Value = str | int


class Span:
    """What can be said of a span while it lasts; here, of none."""

    traceparent: str | None = None

    def describe(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Name it anew and add attributes."""


_exporting: "Exporting | None" = None


def start_tracing(service: str, endpoint: str) -> None:
    """Export the spans of this process from now on; without an endpoint do nothing. Call it after a fork.

    Raises `ConfigurationError` when the extra `trace` is not installed.
    """
    global _exporting  # noqa: PLW0603  one per process, as OpenTelemetry's own
    if not endpoint:
        return
    try:
        from shared.otlp import Exporting  # noqa: PLC0415  the point of this module
    except ImportError as error:
        raise ConfigurationError(
            "UPTILL_OTLP_ENDPOINT is set, but OpenTelemetry is missing; install `uptill[trace]`"
        ) from error
    _exporting = Exporting(service, endpoint)


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
